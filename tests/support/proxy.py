"""A bad network: a TCP proxy on loopback that refuses, swallows, delays, throttles, or cuts in mid-message."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, Self

from tests.support.mongo import HOST, free_port

_PIECE: Final = 64 << 10
_HARD: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing resets the connection


class Way(Enum):
    """Which of the two directions of a connection."""

    THERE = "to the server"
    BACK = "from the server"


class Proxy:
    """Passes everything between its own `port` and `target` of loopback, except for what it is told to do to it.

    Every order holds for open connections and for new ones, until `heal`. A context manager; one thread for each
    direction of each connection. `cuts` counts the connections that `cut` has ended.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.cuts = 0
        self._target = target
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._delay = 0.0
        self._rate = 0
        self._left: dict[Way, int] = {}
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closed.set()
        self.refuse()
        self._flowing.set()
        for thread in self._threads:
            thread.join()

    def uri(self, database: str = "windmill") -> str:
        """Return the URI of a database behind the proxy."""
        return f"mongodb://{HOST}:{self.port}/{database}"

    def refuse(self) -> None:
        """Reset what is open and refuse to be connected to, as a host without a server does."""
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        self.drop()

    def swallow(self) -> None:
        """Accept, and pass nothing on, as a broken network does; `heal` delivers what was sent meanwhile."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Hold every piece of up to 64 KiB back for so long."""
        self._delay = seconds

    def throttle(self, rate: int) -> None:
        """Pass `rate` bytes a second at most, in each direction of each connection."""
        self._rate = rate

    def cut(self, *, after: int, way: Way = Way.THERE) -> None:
        """Pass `after` more bytes that way, over all connections together, and reset the one they end in. Once."""
        with self._lock:
            self._left[way] = after

    def drop(self) -> None:
        """Reset all open connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            _close(one)

    def heal(self) -> None:
        """Pass everything again."""
        self._delay, self._rate = 0.0, 0
        with self._lock:
            self._left.clear()
        self._flowing.set()
        if self._listener is None:
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server((HOST, self.port))
        self._begin(self._accept, self._listener)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed by `refuse`
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection((HOST, self._target))
                except OSError:
                    _close(near)
                    continue
                with self._lock:
                    self._sockets |= {near, far}
                self._begin(self._pump, near, far, Way.THERE)
                self._begin(self._pump, far, near, Way.BACK)
                if self._listener is not listener:  # refused while this one was on its way in
                    self.drop()

    def _pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError):  # either side has gone
            while data := source.recv(_PIECE):
                for piece in self._pieces(data):
                    self._pass(piece, sink, way)
        with self._lock:
            self._sockets -= {source, sink}
        _close(source)
        _close(sink)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the data in pieces that take a twentieth of a second each where the way is throttled."""
        while data:
            self._flowing.wait()
            size = max(1, self._rate // 20) if self._rate else len(data)
            piece = data[:size]
            self._closed.wait(self._delay + (len(piece) / self._rate if self._rate else 0.0))
            yield piece
            data = data[size:]

    def _pass(self, piece: bytes, sink: socket.socket, way: Way) -> None:
        with self._lock:
            left = self._left.get(way, len(piece) + 1) - len(piece)
            if way in self._left:
                self._left[way] = left
            if left <= 0:
                del self._left[way]
                self.cuts += 1
        if left <= 0:
            sink.sendall(piece[: len(piece) + left])
            raise ConnectionResetError
        sink.sendall(piece)


def _close(one: socket.socket) -> None:
    """Close at once and for the other side to notice, whoever is waiting on it."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
