"""One child process, kept within limits and read to its end within a deadline, whatever it or its server does."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

MAX_BYTES: Final = 2 << 30  # of one file that a command writes: a pack, a checked-out file
_MAX_MEMORY: Final = 2 << 30
_CHUNK: Final = 64 << 10
_PAUSE: Final = 0.1  # seconds between looks at the process while its pipes are silent
_DYING: Final = 2.0  # seconds
_LINE: Final = 4096  # bytes of a line that are passed on


class Answer(NamedTuple):
    """How the child ended. `code` is -9 when it was killed; `late` and `cut` say that time or bytes ran out."""

    code: int
    out: bytes
    err: bytes
    late: bool
    cut: bool


def limited(command: Sequence[str], *, timeout: float, max_bytes: int = MAX_BYTES) -> list[str]:
    """Return the command with limits that hold without us too: seconds, memory, and bytes of any one file.

    At the end of its time its whole process group is killed, by `timeout` of coreutils.
    """
    # Too large a file is an error of the write, which the command can tell of, instead of a silent end by a signal.
    # A limit that is lower already stays.
    sizes = f"ulimit -d {_MAX_MEMORY >> 10}; ulimit -f {max(1, max_bytes >> 9)}"
    limits = f'trap "" XFSZ; {{ {sizes}; }} 2>/dev/null; exec "$@"'
    return ["timeout", "-s", "KILL", str(max(1, math.ceil(timeout))), "sh", "-c", limits, "sh", *command]


def finish(
    child: subprocess.Popen[bytes],
    *,
    timeout: float,
    limit: int,
    on_line: Callable[[str], None] | None = None,
) -> Answer:
    """Return what the child wrote and how it ended; its whole process group is gone afterwards.

    The child leads its own session and has pipes for both streams. At `timeout` seconds, or when its output
    exceeds `limit` bytes, it is killed. Of its errors the last 64 KiB are kept, and `on_line` gets every line.
    """
    reader = _Reader(child, limit, on_line)
    deadline = time.monotonic() + timeout
    late = False
    try:
        while reader.open and not reader.cut and not late:
            quiet = not reader.turn(min(_PAUSE, max(0.0, deadline - time.monotonic())))
            if quiet and _ended(child.pid):
                break
            late = time.monotonic() >= deadline
        while not (late or reader.cut or _ended(child.pid)):
            time.sleep(_PAUSE / 10)
            late = time.monotonic() >= deadline
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # before it is waited for: its number is still its own
        child.wait()
        reader.close()
        _await_group(child.pid)
    return Answer(child.returncode, bytes(reader.out), bytes(reader.err), late, reader.cut)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _await_group(group: int) -> None:
    """Return when the killed processes of the group are gone: then none of them writes any more."""
    deadline = time.monotonic() + _DYING
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            if not any(_lives_in(group, process) for process in Path("/proc").glob("[0-9]*")):
                return  # what is left waits for a parent to ask how it ended
            time.sleep(_PAUSE / 10)


def _lives_in(group: int, process: Path) -> bool:
    try:
        state, _, its_group, *_ = (process / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return False
    return state not in "ZX" and int(its_group) == group


class _Reader:
    """Both pipes of a child: output up to a limit, errors line by line."""

    def __init__(self, child: subprocess.Popen[bytes], limit: int, on_line: Callable[[str], None] | None) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.cut = False
        self._limit = limit
        self._on_line = on_line
        self._line = bytearray()
        self._pipes = [pipe for pipe in (child.stdout, child.stderr) if pipe is not None]
        self._errors = child.stderr
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def open(self) -> bool:
        return bool(self._selector.get_map())

    def turn(self, timeout: float) -> bool:
        """Read what there is; return False when nothing came."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            pipe = key.fileobj
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._selector.unregister(pipe)
            elif pipe is self._errors:
                self._take_errors(data)
            else:
                self.out += data
                self.cut = len(self.out) > self._limit
        return bool(ready)

    def close(self) -> None:
        self._selector.close()
        for pipe in self._pipes:
            _close(pipe)
        if self._line and self._on_line:
            self._on_line(self._line.decode(errors="replace"))

    def _take_errors(self, data: bytes) -> None:
        self.err += data
        del self.err[:-_CHUNK]
        *lines, rest = (bytes(self._line) + data).replace(b"\r", b"\n").split(b"\n")
        self._line[:] = rest[:_LINE]
        for line in lines:
            if line.strip() and self._on_line:
                self._on_line(line[:_LINE].decode(errors="replace"))


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):
        pipe.close()
