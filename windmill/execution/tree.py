"""Every process of an execution, found whatever it did to hide, and signalled without ever hitting a stranger.

Four traces are followed: the marker, a soft RLIMIT_RTTIME set before the start and inherited by everything, daemons
by `env -i setsid` too (without effect: it bounds real-time scheduling, to 146,000 years); the cookie in the
environment; sessions; and parenthood.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

COOKIE: Final = "WINDMILL_COOKIE"
_MARKED: Final = 1 << 62
_PRIME: Final = (1 << 61) - 1  # cookies differ in an id that is a hash already: the remainder spreads as well as one
_PASSES: Final = 8
_STATE, _PARENT, _GROUP, _SESSION, _THREADS, _START = 0, 1, 2, 3, 17, 19  # fields of /proc/pid/stat behind the name


class Subject(NamedTuple):
    """An execution whose processes are looked for."""

    execution: str
    cookie: str
    leader: int | None = None  # the entry point's process, as long as it is not reaped


class Found(NamedTuple):
    """One living process, told apart from a later one of the same number by its start time."""

    pid: int
    start: int  # clock ticks after boot
    group: int


class _Entry(NamedTuple):
    parent: int
    group: int
    session: int
    start: int
    alive: bool


def marker(cookie: str) -> int:
    """Return the soft RLIMIT_RTTIME that marks the processes of the execution with this cookie."""
    return _MARKED | int.from_bytes(cookie.encode(), "big") % _PRIME


def marked(pid: int) -> int | None:
    """Return the marker a process carries, None when it carries none or may not be asked."""
    try:
        value = resource.prlimit(pid, resource.RLIMIT_RTTIME)[0]
    except OSError:
        return None
    return value if value >= _MARKED else None


def census(subjects: Sequence[Subject]) -> dict[str, list[Found]]:
    """Return the living processes of each execution, entry points included; nothing for those without any.

    One walk through /proc for all of them: about 25 microseconds per process on the machine. Raises OSError when
    the machine is too short of something to tell: then nothing is known.
    """
    table = dict(_table())
    owners = _marked(subjects, table)
    sessions = {table[pid].session: execution for pid, execution in owners.items()}
    owners |= _with_cookie(subjects, table.keys() - owners.keys())
    _follow(owners, sessions, table)
    found: dict[str, list[Found]] = {}
    for pid, execution in owners.items():
        entry = table[pid]
        if entry.alive:
            found.setdefault(execution, []).append(Found(pid, entry.start, entry.group))
    return found


def send(processes: Iterable[Found], *numbers: signal.Signals) -> None:
    """Send the signals to each process that is still the one that was found."""
    for process in processes:
        with suppress(OSError):
            fd = os.pidfd_open(process.pid)
            try:
                entry = _entry(process.pid)  # read after the open: from here on the descriptor cannot mean another
                if entry is not None and entry.start == process.start:
                    for number in numbers:
                        signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)


def kill(subject: Subject, found: Sequence[Found]) -> None:
    """Kill what was found, and what appeared meanwhile; a tree that grows faster than that is looked at again."""
    killed: set[Found] = set()
    for _ in range(_PASSES):
        if not set(found) - killed:
            return
        send(found, signal.SIGKILL)
        killed.update(found)
        found = census([subject]).get(subject.execution, [])


def children() -> list[int] | None:
    """Return the children of this single-threaded process, zombies included; None where the kernel does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb", buffering=0) as file:  # noqa: PTH123 - at every end
            return [int(child) for child in file.read().split()]
    except OSError:
        return None


def _table() -> Iterator[tuple[int, _Entry]]:
    """Yield all processes but those of our own session: the runner is never its own prey."""
    own = os.getsid(0)
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if name.isdecimal() and (entry := _entry(int(name))) and entry.session != own:
            yield int(name), entry


def _entry(pid: int) -> _Entry | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            data = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    values = data[data.rfind(b")") + 2 :].split()
    if len(values) <= _START:
        return None
    alive = values[_STATE] not in b"ZX" or int(values[_THREADS]) > 1  # its first thread may end before the others
    return _Entry(int(values[_PARENT]), int(values[_GROUP]), int(values[_SESSION]), int(values[_START]), alive)


def _marked(subjects: Sequence[Subject], table: Mapping[int, _Entry]) -> dict[int, str]:
    """Return the entry points and the processes that carry a marker, with the execution they belong to."""
    markers = {marker(subject.cookie): subject.execution for subject in subjects}
    leaders = {subject.leader: subject.execution for subject in subjects}
    owners = ((pid, leaders.get(pid) or markers.get(marked(pid) or 0)) for pid in table)
    return {pid: execution for pid, execution in owners if execution is not None}


def _with_cookie(subjects: Sequence[Subject], pids: Iterable[int]) -> dict[int, str]:
    """Return the processes whose environment holds a cookie, with the execution they belong to."""
    cookies = {f"{COOKIE}={subject.cookie}".encode(): subject.execution for subject in subjects}
    owners: dict[int, str] = {}
    for pid in pids:
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if COOKIE.encode() in environment:
                lines = (line for line in environment.split(b"\0") if line in cookies)
                owners.update((pid, cookies[line]) for line in lines)
    return owners


def _follow(owners: dict[int, str], sessions: dict[int, str], table: Mapping[int, _Entry]) -> None:
    """Add what descends from a process of an execution, or shares a session with one.

    A session counts when it began inside the execution. That is certain for marked processes; a cookie may have
    been copied into somebody's terminal.
    """
    grown = True
    while grown:
        grown = False
        for pid, entry in table.items():
            if pid not in owners and (execution := owners.get(entry.parent) or sessions.get(entry.session)):
                owners[pid] = execution
                grown = True
            if entry.session in owners and entry.session not in sessions:
                sessions[entry.session] = owners[entry.session]
                grown = True
