from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from windmill.core.errors import WindmillError
from windmill.heartbeats.address import parse, permitted, refusal, resolved

PRIVATE = [ip_network(text) for text in ("10.0.0.0/8", "127.0.0.0/8", "::1/128")]
EVERYTHING = [ip_network("0.0.0.0/0"), ip_network("::/0")]


def test_a_url_comes_apart() -> None:
    url = parse("https://hc.example.com:8443/ping/abc?create=1\n")
    assert (url.secure, url.host, url.port, url.path, url.query) == (
        True,
        "hc.example.com",
        8443,
        "/ping/abc",
        "create=1",
    )


def test_a_url_is_never_shown() -> None:
    assert "HUSH" not in repr(parse("https://hc.example.com/HUSH"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "//example.com",
        "https://",
        "https://ana:HUSH@example.com/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: HUSH",
        "https://exämple.com/",
        "https://[fe80::1%25eth0]/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://example.com/" + "x" * 2000,
    ],
)
def test_what_is_no_plain_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(WindmillError) as raised:
        parse(text)
    assert "HUSH" not in str(raised.value)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_need_no_leave(address: str) -> None:
    assert refusal(ip_address(address), []) == ""


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1"])
def test_private_addresses_need_leave(address: str) -> None:
    assert "does not list" in refusal(ip_address(address), [])
    assert refusal(ip_address(address), PRIVATE) == ""


@pytest.mark.parametrize("address", ["192.168.1.1", "172.16.0.1", "100.64.0.1", "fd12::1", "127.0.0.1"])
def test_leave_for_one_network_is_none_for_another(address: str) -> None:
    assert refusal(ip_address(address), [ip_network("10.0.0.0/8")])


NEVER = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "0.1.2.3", "::",
    "255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16", "fd00:ec2::254",
]  # fmt: skip
DISGUISED = [
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::1",  # 6to4
    "64:ff9b::a9fe:a9fe",  # NAT64
    "::a9fe:a9fe",  # IPv4-compatible
    "2001:0:a9fe:a9fe::1",  # Teredo
]


@pytest.mark.parametrize("address", NEVER + DISGUISED)
def test_some_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    url = parse("http://name.example/")
    with pytest.raises(WindmillError, match="never allowed"):
        permitted(url, EVERYTHING, lambda _host, _port: [address])


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::7f00:1"])
def test_a_disguised_private_address_is_private(address: str) -> None:
    with pytest.raises(WindmillError, match="does not list"):
        permitted(parse("http://name.example/"), [], lambda _host, _port: [address])


@pytest.mark.parametrize("host", ["2130706433", "017700000001", "0x7f000001", "127.1", "0x7f.1", "localhost"])
def test_other_ways_of_writing_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(WindmillError, match="does not list"):
        permitted(parse(f"http://{host}/"), [], resolved)


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376"])
def test_other_ways_of_writing_metadata_are_seen_through(host: str) -> None:
    with pytest.raises(WindmillError, match="never allowed"):
        permitted(parse(f"http://{host}/"), EVERYTHING, resolved)


def test_of_several_addresses_only_the_good_ones_are_left() -> None:
    found = permitted(parse("http://a.example/"), [], lambda _host, _port: ["10.0.0.1", "93.184.215.14", "fe80::1"])
    assert [str(one) for one in found] == ["93.184.215.14"]


@pytest.mark.parametrize("answer", [[], ["fe80::1%eth0"]])
def test_a_name_that_leads_nowhere_usable_is_refused(answer: list[str]) -> None:
    with pytest.raises(WindmillError):
        permitted(parse("http://a.example/"), EVERYTHING, lambda _host, _port: answer)
