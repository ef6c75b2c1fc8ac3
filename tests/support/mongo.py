"""A server that speaks MongoDB's wire protocol over TCP, as a process of the test: SecantusDB on loopback."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.waiting import until

HOST: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)  # below those the kernel gives to outgoing connections, so that ours stays free


class MongoServer:
    """One server with its data in `directory`; it keeps its port and its data over every restart.

    A context manager that starts it, and leaves no process behind. Its words are in the file `log` of `directory`.
    A write with `j: true` is synced to disk before it is answered; others reach the kernel, and survive a kill -9.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def uri(self, database: str = "windmill") -> str:
        """Return the URI of a database on the server."""
        return f"mongodb://{HOST}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The process id; the server must have been started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, or start again, on the same port and data; return when it accepts connections."""
        assert self._process is None, "the server runs already"
        command = [sys.executable, "-m", "secantus", "--standalone", "--host", HOST, "--port", str(self.port)]
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--storage-path", str(self._directory / "data")],
                cwd=self._directory,  # it looks for a configuration where it is started
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._accepts, timeout=60, what=f"the server of {self._directory} accepts connections")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator does, and wait for it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL: it has no moment to save anything."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it from running: the kernel goes on accepting connections and bytes, and nobody answers."""
        self._signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        until(lambda: all(_state(thread) in "TZ" for thread in threads.iterdir()), what="every thread has stopped")

    def thaw(self) -> None:
        """Let it run again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        self.thaw()
        if self._process is not None:
            self._process.wait()
        self._process = None

    def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text(errors="replace")[-2000:]
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


def free_port() -> int:
    """Return a port of loopback on which nobody listens, and to which nobody is sent by chance."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port


def _state(process: Path) -> str:
    """Return the letter for what a process or thread does, Z for one that is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
