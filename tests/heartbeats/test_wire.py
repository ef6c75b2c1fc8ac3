from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.sink import Raw, Sink
from windmill.core.errors import WindmillError
from windmill.heartbeats.address import parse
from windmill.heartbeats.ping import Request
from windmill.heartbeats.wire import Undelivered, send

HERE = [ip_network("127.0.0.0/8")]
WANTED = Request("POST", "/ping/HUSH/1?rid=2", b"the end")


def refused(url: str, *, read_seconds: float = 5.0) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        send(parse(url), WANTED, allow=HERE, read_seconds=read_seconds)
    assert "HUSH" not in str(raised.value)
    return raised.value


def test_a_request_arrives_whole() -> None:
    with Sink() as sink:
        send(parse(sink.url()), WANTED, allow=HERE)
    asked = sink.asked[0]
    assert (asked.method, asked.path, asked.query, asked.body) == ("POST", "/ping/HUSH/1", {"rid": "2"}, b"the end")


def test_nothing_is_connected_to_that_is_not_allowed() -> None:
    with Sink() as sink:
        with pytest.raises(WindmillError, match="does not list"):
            send(parse(sink.url()), WANTED)
        assert sink.asked == []


def test_a_name_is_resolved_once_and_the_address_that_was_judged_is_the_one_connected_to() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with Sink() as sink:
        url = parse(f"http://rebound.example:{sink.port}/")
        send(url, WANTED, allow=HERE, resolve=lambda _host, _port: answers.pop(0))
        assert sink.asked[0].host == f"rebound.example:{sink.port}"
    assert len(answers) == 1


def test_a_second_address_is_tried_when_the_first_takes_no_connection() -> None:
    with Sink() as sink:
        url = parse(f"http://two.example:{sink.port}/")
        send(url, WANTED, allow=HERE, resolve=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
        assert len(sink.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Sink() as other, Sink(answers=(status,), headers={"Location": other.url()}) as sink:
        failure = refused(sink.url())
        assert ("redirect" in failure.message, failure.again, other.asked) == (True, False, [])


@pytest.mark.parametrize(("status", "again"), [(404, False), (409, False), (429, True), (500, True), (503, True)])
def test_another_try_is_for_what_may_get_better(status: int, again: bool) -> None:
    with Sink(answers=(status,)) as sink:
        failure = refused(sink.url())
    assert (failure.again, str(status) in failure.message) == (again, True)


def test_a_closed_port_is_a_failure_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/").again


def test_a_server_that_says_nothing_is_left() -> None:
    with Raw(until_closed) as server:
        assert refused(server.url(), read_seconds=0.2).message == "no answer in time"


def until_closed(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_a_server_that_trickles_is_left_by_the_same_deadline() -> None:
    def trickle(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)

    with Raw(trickle) as server:
        assert refused(server.url(), read_seconds=0.5).message == "no answer in time"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"x" * 100_000])
def test_what_is_no_http_is_a_failure(answer: bytes) -> None:
    def say(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.recv(4096)
            connection.sendall(answer)

    with Raw(say) as server:
        refused(server.url())


def test_a_server_that_never_stops_is_not_read_to_its_end() -> None:
    def flood(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

    with Raw(flood) as server:
        send(parse(server.url()), WANTED, allow=HERE)


def test_what_speaks_no_tls_is_a_failure() -> None:
    with Raw(lambda connection: connection.sendall(b"plain text\r\n")) as server:
        failure = refused(server.url().replace("http:", "https:"))
    assert "TLS" in failure.message


def test_a_handshake_that_never_ends_is_left_in_time() -> None:
    with Raw(until_closed) as server, pytest.raises(Undelivered, match="no answer in time"):
        send(parse(server.url().replace("http:", "https:")), WANTED, allow=HERE, connect_seconds=0.2)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of sink.example with its key, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sink.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return path


@pytest.fixture
def secure_server(certificate: Path) -> Iterator[Raw]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            got = b""
            while WANTED.body not in got:
                got += secured.recv(4096)
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with Raw(answer) as server:
        yield server


def securely(server: Raw, host: str, trust: ssl.SSLContext | None) -> None:
    url = parse(f"https://{host}:{server.port}/HUSH")
    send(url, WANTED, allow=HERE, resolve=lambda _host, _port: ["127.0.0.1"], trust=trust)


def test_over_tls_the_host_is_known_by_its_name(secure_server: Raw, certificate: Path) -> None:
    securely(secure_server, "sink.example", ssl.create_default_context(cafile=str(certificate)))


def test_a_certificate_of_another_host_is_not_accepted(secure_server: Raw, certificate: Path) -> None:
    with pytest.raises(Undelivered, match="certificate"):
        securely(secure_server, "other.example", ssl.create_default_context(cafile=str(certificate)))


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(secure_server: Raw) -> None:
    with pytest.raises(Undelivered, match="certificate"):
        securely(secure_server, "sink.example", None)
