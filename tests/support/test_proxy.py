"""The bad network is as bad as it says: a fault that does not happen would prove nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.mongo import HOST
from tests.support.proxy import Proxy, Way


class Echo(socketserver.BaseRequestHandler):
    """Says back what it hears."""

    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are reset on purpose here."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Server((HOST, 0), Echo) as server, Proxy(server.server_address[1]) as between:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield between
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port)) as connection:
        connection.settimeout(20)
        assert echoed(connection, b"hello") == b"hello"
        yield connection


def echoed(connection: socket.socket, data: bytes) -> bytes:
    """Send, and return what comes back until all of it has or the connection ends."""
    received = b""
    try:
        connection.sendall(data)
        while len(received) < len(data) and (piece := connection.recv(1 << 16)):
            received += piece
    except ConnectionError:
        pass
    return received


def test_what_is_refused_is_reset_and_not_let_in_until_it_heals(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    assert echoed(client, b"x") == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, proxy.port))
    proxy.heal()
    with socket.create_connection((HOST, proxy.port)) as again:
        assert echoed(again, b"x") == b"x"


def test_what_is_swallowed_comes_when_it_heals(proxy: Proxy, client: socket.socket) -> None:
    proxy.swallow()
    client.sendall(b"late")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    with socket.create_connection((HOST, proxy.port)) as other:  # still let in
        assert other.getpeername()
    proxy.heal()
    client.settimeout(20)
    assert client.recv(100) == b"late"


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_cut_comes_after_exactly_so_many_bytes_and_once(proxy: Proxy, client: socket.socket, size: int) -> None:
    proxy.cut(after=size, way=Way.BACK)
    heard = b""
    try:
        client.sendall(b"x" * (size + 1000))
        while piece := client.recv(1 << 16):
            heard += piece
    except ConnectionError:
        pass
    assert len(heard) <= size  # a reset takes along what was not yet read
    assert proxy.cuts == 1
    with socket.create_connection((HOST, proxy.port)) as again:
        assert echoed(again, b"x" * (size + 1000)) == b"x" * (size + 1000)


@pytest.mark.parametrize("slow", [lambda proxy: proxy.delay(0.2), lambda proxy: proxy.throttle(5_000)])
def test_a_slow_way_takes_its_time_and_loses_nothing(proxy: Proxy, client: socket.socket, slow: object) -> None:
    assert callable(slow)
    slow(proxy)
    before = time.monotonic()
    assert echoed(client, b"x" * 1000) == b"x" * 1000
    assert time.monotonic() - before > 0.19  # a lower bound cannot fail on a busy machine
