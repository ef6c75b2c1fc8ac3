from __future__ import annotations

import socket
from contextlib import closing

import pytest

from windmill.core.errors import Refused, WindmillError
from windmill.dashboard.serve import is_local, listen, names, url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9", "::1"])
@pytest.mark.parametrize("auth", ["link", "token"])
def test_this_machine_is_listened_to_however_people_sign_in(host: str, auth: str) -> None:
    with closing(listen(host, 0, auth)) as listener:
        assert listener.getsockname()[1]
    assert is_local(host)
    assert names(host) == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "169.254.169.254"])
def test_others_are_not_listened_to_while_people_sign_in_by_link(host: str) -> None:
    with pytest.raises(Refused, match="does not listen on") as refused:
        listen(host, 0, "link")
    assert '[dashboard] auth = "token"' in refused.value.hint
    assert not is_local(host)


@pytest.mark.parametrize("auth", ["token", "basic", "proxy", "oidc"])
def test_others_are_listened_to_where_they_can_sign_in(auth: str) -> None:
    with closing(listen("0.0.0.0", 0, auth)) as listener:
        port = listener.getsockname()[1]
        assert url(listener) == f"http://{socket.gethostname().lower()}:{port}"


@pytest.mark.parametrize("host", ["example.com", "", "127.1", "2130706433", "0x7f.1", "*", "[::1]", "localhost."])
def test_an_address_is_written_as_one(host: str) -> None:
    with pytest.raises(WindmillError, match="write an address, as"):
        listen(host, 0, "token")


def test_what_is_listened_on_is_a_name_to_ask_by() -> None:
    assert names("192.0.2.1") == ("192.0.2.1",)
    assert names("0.0.0.0") == (socket.gethostname().lower(),)


def test_the_url_is_one_a_browser_here_finds() -> None:
    for host, name in (("127.0.0.1", "127.0.0.1"), ("::1", "localhost")):
        with closing(listen(host, 0, "link")) as listener:
            assert url(listener) == f"http://{name}:{listener.getsockname()[1]}"
