"""One entry point as a process of its own session: started, read, limited, signalled, reaped."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from typing import Final, NamedTuple

from windmill.core.ports import Stream

READ: Final = 256 << 10  # bytes per descriptor and turn
UMASK: Final = 0o022  # of jobs; WindMill's own is 077
TERMINAL_SIZE: Final = (24, 120)  # rows, columns
TERMINAL_ENV: Final = {"LINES": "24", "COLUMNS": "120", "TERM": "xterm-256color"}


class Limits(NamedTuple):
    """What a process may use. `files` is the soft limit of open files; None leaves a limit as it is."""

    files: int | None = None
    memory: int | None = None  # bytes of address space
    cpu_time: int | None = None  # seconds


class Process:
    """A started entry point. It keeps its number until `reap`, so signals cannot hit another process."""

    def __init__(self, popen: subprocess.Popen[bytes], pidfd: int, outputs: dict[int, Stream]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.pidfd = pidfd
        self.outputs = outputs  # descriptors still open, non-blocking

    def signal_group(self, number: signal.Signals) -> None:
        """Send the signal to the process group the entry point leads."""
        with suppress(OSError):
            os.killpg(self.pid, number)

    def read(self, fd: int) -> bytes | None:
        """Return output that is ready, b"" at its end, None when there is none yet."""
        try:
            return os.read(fd, READ)
        except BlockingIOError:
            return None
        except OSError:  # EIO: a pseudo-terminal without anybody at the other side
            return b""

    def close_output(self, fd: int) -> None:
        """Close one output."""
        del self.outputs[fd]
        os.close(fd)

    def reap(self) -> int | None:
        """Collect the exit status: a code, a negative signal number, or None when it still runs."""
        return self._popen.poll()

    def close(self) -> None:
        """Close all descriptors."""
        for fd in tuple(self.outputs):
            self.close_output(fd)
        os.close(self.pidfd)


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: str, terminal: bool, limits: Limits, marker: int
) -> Process:
    """Start `argv`. Raises OSError (file or directory missing, not executable, no more processes or descriptors)
    and ValueError (NUL byte), having started nothing.
    """
    with ExitStack() as undo, ExitStack() as passed:
        outputs, ends = (_terminal if terminal else _pipes)(undo, passed)
        popen = _popen(argv, TERMINAL_ENV | dict(env) if terminal else env, cwd, ends, marker)
        pidfd = os.pidfd_open(popen.pid)  # there is room for it: Popen has just closed three descriptors
        undo.pop_all()
    _limit(popen.pid, limits)
    return Process(popen, pidfd, outputs)


def _popen(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, ends: tuple[int, int], marker: int
) -> subprocess.Popen[bytes]:
    unmarked = _mark(marker)
    try:
        return subprocess.Popen(
            argv,
            stdin=_nothing(),
            stdout=ends[0],
            stderr=ends[1],
            env=env,
            cwd=cwd,
            start_new_session=True,
            umask=UMASK,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, unmarked)


@cache
def _nothing() -> int:
    """Return a descriptor of /dev/null that stays open: Popen would open it, and close it, for each process."""
    return os.open(os.devnull, os.O_RDWR)


def _mark(marker: int) -> tuple[int, int]:
    """Mark this process, for its children to inherit, and return the limits to restore.

    Where the hard limit is lower than any marker there is none: the other traces must do.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_RTTIME, (marker, hard))
    return soft, hard


def _pipes(undo: ExitStack, passed: ExitStack) -> tuple[dict[int, Stream], tuple[int, int]]:
    outputs = {}
    ends = []
    for stream in (Stream.STDOUT, Stream.STDERR):
        ours, theirs = os.pipe()
        undo.callback(os.close, ours)
        passed.callback(os.close, theirs)
        os.set_blocking(ours, False)
        outputs[ours] = stream
        ends.append(theirs)
    return outputs, (ends[0], ends[1])


def _terminal(undo: ExitStack, passed: ExitStack) -> tuple[dict[int, Stream], tuple[int, int]]:
    ours, theirs = os.openpty()
    undo.callback(os.close, ours)
    passed.callback(os.close, theirs)
    termios.tcsetwinsize(theirs, TERMINAL_SIZE)
    os.set_blocking(ours, False)
    return {ours: Stream.STDOUT}, (theirs, theirs)


def _limit(pid: int, limits: Limits) -> None:
    """Set limits on a started process: not before the start, when they would bind the runner itself."""
    _lower(pid, resource.RLIMIT_NOFILE, limits.files, None)
    _lower(pid, resource.RLIMIT_AS, limits.memory, limits.memory)
    if limits.cpu_time is not None:  # SIGXCPU at the limit, SIGKILL five seconds later
        _lower(pid, resource.RLIMIT_CPU, limits.cpu_time, limits.cpu_time + 5)


def _lower(pid: int, kind: int, soft: int | None, hard: int | None) -> None:
    """Set limits of a process, never above its present hard limit; None leaves one as it is."""
    if soft is None:
        return
    with suppress(OSError):  # ended already
        ceiling = resource.prlimit(pid, kind)[1]
        hard = ceiling if hard is None else _least(hard, ceiling)
        resource.prlimit(pid, kind, (_least(soft, hard), hard))


def _least(wanted: int, ceiling: int) -> int:
    return wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
