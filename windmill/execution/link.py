"""The scheduler's side of one runner: its socket, its stream, and what it is known to run."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import windmill
from windmill.core.ports import Position
from windmill.execution.environment import BASICS
from windmill.execution.wire import LISTENER, Channel, Start, address, listening

_ERRORS: Final = "runner.err"
_ERRORS_MAX: Final = 1 << 20  # bytes; more is not kept over the start of another runner
_BOOT: Final = (  # neither the user's site-packages nor the environment can get in its way
    "import sys; sys.path.insert(0, sys.argv[1]); from windmill.execution.runner import main; main(sys.argv[2])"
)


class Link:
    """A runner as the scheduler knows it, over all connections to it."""

    def __init__(self, channel: Channel, stream: str, *, position: Position | None, pid: int | None = None) -> None:
        self.channel = channel
        self.stream = stream
        self.position = position  # up to which its journal is known here; None: wherever it says it stands
        self.pid = pid  # where it is our child
        self.since = time.monotonic()
        self.greeted = False
        self.retired = False
        self.adopting: set[str] = set()  # streams of dead runners, asked and not answered yet
        self.running: dict[str, str] = {}  # job by execution

    def retire(self) -> None:
        """Have the runner take no starts any more."""
        self.retired = True
        self.channel.send({"order": "retire"})

    def adopt(self, streams: Collection[str]) -> None:
        """Have the runner answer for what dead runners left."""
        if streams:
            self.adopting |= set(streams)
            self.channel.send({"order": "adopt", "streams": sorted(streams)})

    def reconnect(self, journal: Path) -> bool:
        """Replace a broken connection; return False when the runner is not there any more."""
        channel = connect(journal, self.stream)
        if channel is None:
            return False
        self.channel, self.greeted = channel, False
        self.adopt(self.adopting)
        if self.retired:
            self.retire()
        return True


def connect(journal: Path, stream: str) -> Channel | None:
    """Return a connection to the runner that writes the stream, None when none is there."""
    try:
        with address(journal / stream) as path:
            return _connected(path)
    except OSError:
        return None


def launch(start: Start, environ: Mapping[str, str]) -> Link:
    """Start a runner and connect to it; what is sent meanwhile it hears as soon as it is up. Raises OSError.

    What it has to say to people, all of it bugs, goes to `runner.err` beside the journal.
    """
    journal = Path(start.journal)
    journal.mkdir(mode=0o700, exist_ok=True)
    directory = journal / start.stream
    directory.mkdir(mode=0o700)
    with listening(directory) as listener, address(directory) as path:
        channel = _connected(path)
        try:
            pid = _spawn(start, listener.fileno(), journal.parent / _ERRORS, environ)
        except OSError:
            channel.close()
            raise
    return Link(channel, start.stream, position=Position(0, 0), pid=pid)


def _spawn(start: Start, listener: int, errors: Path, environ: Mapping[str, str]) -> int:
    package = Path(windmill.__file__).parent.parent
    argv = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, str(package), start.to_text()]
    if errors.exists() and errors.stat().st_size > _ERRORS_MAX:
        errors.unlink()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(errors), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, listener, LISTENER),
    ]
    basics = {name: environ[name] for name in BASICS if name in environ}
    return os.posix_spawn(sys.executable, argv, basics, file_actions=actions, setsid=True)


def _connected(path: str) -> Channel:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return Channel(connection)
