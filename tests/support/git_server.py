"""Git repositories to pull from, and servers of them on loopback: good ones, and three sorts of bad ones."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tests.support.mongo import HOST, free_port
from tests.support.waiting import until

ENVIRON: Final = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class Upstream:
    """A repository somebody works in, with branch main. `url` is its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    @property
    def url(self) -> str:
        return str(self.path)

    def git(self, *arguments: str, stdin: str | None = None, **environ: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.path,
            env={**ENVIRON, **environ},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def commit(self, files: dict[str, str] | None = None, subject: str = "change", *options: str) -> str:
        """Write the files, commit everything and return the commit."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject, *options)
        return self.head()

    def commit_tree(self, entries: str, subject: str = "crafted") -> str:
        """Commit a tree written as `git mktree` takes it, on main, whatever git thinks of it."""
        tree = self.git("mktree", "--missing", stdin=entries)
        commit = self.git("commit-tree", tree, "-m", subject)
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def blob(self, text: str) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=text)

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


@contextlib.contextmanager
def git_daemon(base: Path) -> Iterator[str]:
    """Serve every repository under `base` by git's own protocol; give the URL of `base`."""
    port = free_port()
    command = ["git", "daemon", "--export-all", f"--base-path={base}", f"--listen={HOST}", f"--port={port}"]
    command += ["--reuseaddr", "--log-destination=none"]
    with subprocess.Popen(command, env=ENVIRON, start_new_session=True) as daemon:
        try:
            until(lambda: _answers(port), what="git daemon answers")
            yield f"git://{HOST}:{port}"
        finally:
            os.killpg(daemon.pid, 15)


@contextlib.contextmanager
def http_server(base: Path, *, password: str = "", seen: list[str] | None = None, old: bool = False) -> Iterator[str]:
    """Serve every repository under `base` by http, to those who know the password if there is one.

    `seen` gets what came as authorization with each request; an `old` server speaks the first protocol only, by
    which nobody gets a commit that is no branch's or tag's.
    """
    wanted = password

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _answer(self, body: bytes) -> None:
            given = self.headers.get("Authorization", "")
            if seen is not None:
                seen.append(given)
            if wanted and _password(given) != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            head, _, content = _backend(base, self, body, old).partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _password(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[2]


def _backend(base: Path, request: BaseHTTPRequestHandler, body: bytes, old: bool) -> bytes:
    path, _, query = request.path.partition("?")
    environ = {
        **ENVIRON,
        "GIT_PROJECT_ROOT": str(base),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": "" if old else request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": HOST,
    }
    return subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=False).stdout


def redirect(target: str) -> Callable[[socket.socket, threading.Event], None]:
    """Return what sends every request of http on to the same path at `target`."""

    def behaviour(connection: socket.socket, _: threading.Event) -> None:
        path = connection.recv(4096).split()[1].decode()
        head = f"HTTP/1.1 301 Moved\r\nLocation: {target}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())

    return behaviour


def mute(_: socket.socket, closed: threading.Event) -> None:
    """Say nothing, ever."""
    closed.wait()


def garbage(connection: socket.socket, _: threading.Event) -> None:
    """Answer something that is none of git's protocols."""
    connection.sendall(b"\x00\xffhello, this is no git \x1b[31m" * 100)


def endless(connection: socket.socket, closed: threading.Event) -> None:
    """List refs that match whatever was asked for, without end."""
    line = b"0" * 39 + b"1 x/refs/heads/main\n"
    packet = b"%04x" % (len(line) + 4) + line
    connection.recv(4096)
    while not closed.is_set():
        connection.sendall(packet * 1000)


@contextlib.contextmanager
def server(behaviour: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Give the port of a server that does this with every connection."""
    closed = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behaviour(connection, closed)

    def accept() -> None:
        while not closed.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(5)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.05)
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            closed.set()
            for thread in [acceptor, *threads]:
                thread.join()


def kill_those_of(mirror: Path) -> None:
    """Kill what a killed sync leaves at work on the mirror, as its runner would."""

    def left() -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(mirror) in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def killed() -> bool:
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left()

    until(killed, what="nothing works on the mirror")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False
