"""An HTTP server on loopback that remembers what it was asked, and answers as a test says."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    host: str


class Sink:
    """Use as a context manager. `answers` are the statuses of the next requests; after these it is 200."""

    def __init__(self, *, answers: tuple[int, ...] = (), headers: dict[str, str] | None = None) -> None:
        self.asked: list[Asked] = []
        sink, left = self, list(answers)

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                sink.asked.append(Asked(self.command, parts.path, query, body, self.headers["Host"]))
                self.send_response(left.pop(0) if left else 200)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815 - the names are those of the library

            def log_message(self, format: str, *args: object) -> None:
                """Tests have other things to read."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, path: str = "/ping/abc") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Raw:
    """A server that does with each connection what `serve` does. Use as a context manager."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Raw:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
