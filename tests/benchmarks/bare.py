"""What the machine can do without WindMill: processes spawned in a plain loop, bytes through a plain pipe."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

READ = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """A loop's seconds until the last child was started and until all had ended, and CPU seconds per start."""

    started: float
    elapsed: float
    cpu: float


def spawn(argv: Sequence[str], *, count: int, together: int) -> Spawned:
    """Run the command `count` times, `together` at once, keeping nothing but exit statuses."""
    running: dict[int, subprocess.Popen[bytes]] = {}
    before, cpu_before = time.monotonic(), time.process_time()
    started = 0.0
    for number in range(count):
        if number >= together:
            _collect(running)
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        running[child.pid] = child
        started = time.monotonic() - before
    while running:
        _collect(running)
    return Spawned(
        started=started,
        elapsed=time.monotonic() - before,
        cpu=(time.process_time() - cpu_before) / count,
    )


def _collect(running: dict[int, subprocess.Popen[bytes]]) -> None:
    pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    assert pid is not None
    running.pop(pid.si_pid).wait()


def first_words(argv: Sequence[str], *, count: int) -> list[float]:
    """Return seconds from deciding to start the command until the instant it prints, as nanoseconds since 1970."""
    found = []
    for _ in range(count):
        before = time.time_ns()
        printed = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
        found.append((int(printed) - before) / 1e9)
        time.sleep(0.05)
    return found


def discard(argv: Sequence[str]) -> float:
    """Return bytes per second of reading the command's output from a pipe."""
    before, size = time.monotonic(), 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        while data := child.stdout.read(READ):
            size += len(data)
    return size / (time.monotonic() - before)


def cat(argv: Sequence[str], target: Path) -> float:
    """Return bytes per second of `COMMAND | cat > target`, synced to disk at the end."""
    before = time.monotonic()
    with target.open("wb") as file, subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        subprocess.run(["cat"], stdin=child.stdout, stdout=file, check=True)
        os.fsync(file.fileno())
    return target.stat().st_size / (time.monotonic() - before)


def elapsed(argv: Sequence[str], *, count: int) -> list[float]:
    """Return the seconds of each of `count` calls of the command, one after the other."""
    found = []
    for _ in range(count):
        before = time.monotonic()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
        found.append(time.monotonic() - before)
    return found
