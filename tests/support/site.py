"""A home with real scripts and a real runner, for tests of execution; leaves no process behind, and checks that."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.waiting import until
from windmill.core.documents import from_document
from windmill.core.model import Cause, Execution, State
from windmill.core.ports import ExecutorEvent, ExecutorEventKind, Frame, Kind, Plan, Position, Stream
from windmill.execution.journal import Reader
from windmill.execution.ledger import placed
from windmill.execution.local import LocalExecutor

BOOT = "11111111-2222-3333-4444-555555555555"


class Site:
    """Starts scripts through an executor and keeps what it reports."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.state = root / ".windmill"
        self.project.mkdir()
        self.state.mkdir(mode=0o700)
        self.journal = Reader(self.state / "journal")
        self.events: list[ExecutorEvent] = []
        self._executor: LocalExecutor | None = None
        self._scripts = 0

    # The executor

    @property
    def executor(self) -> LocalExecutor:
        if self._executor is None:
            self.arrive()
        assert self._executor is not None
        return self._executor

    def arrive(self, *, version: str = "1", boot_id: str = BOOT, journal_max_size: int = 1 << 30) -> LocalExecutor:
        """Be a scheduler that comes (back)."""
        self._executor = LocalExecutor(
            self.state, version=version, now_ms=now_ms, boot_id=boot_id, journal_max_size=journal_max_size
        )
        self._executor.attach()
        return self._executor

    def vanish(self) -> None:
        """Be gone as a scheduler is after kill -9: the connection drops."""
        if self._executor is not None:
            self._executor.detach()
            self._executor = None

    def drive(self) -> None:
        self.executor.flush()
        self.events += self.executor.events()

    def until(self, condition: Callable[[], object], *, timeout: float = 20.0, what: str = "") -> None:
        """Be the scheduler until the condition is met."""

        def met() -> object:
            self.drive()
            return condition()

        until(met, timeout=timeout, what=what)

    # Executions

    def plan(self, script: str, *, job: str = "", identity: str = "", suffix: str = "", **facts: Any) -> Plan:
        """Return a plan for a script: a shell script unless it says otherwise; `suffix` ".py" makes it Python."""
        self._scripts += 1
        path = self.project / f"script{self._scripts}{suffix}"
        path.write_text(script if suffix or script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        execution = Execution(
            id=identity or secrets.token_hex(8),
            job=job or f"p/job{self._scripts}",
            state=State.QUEUED,
            trigger=Cause.MANUAL,
            queued_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        return Plan(
            execution=execution,
            root=str(self.project),
            entry_point=path.name,
            python=sys.executable,
            **{"kill_grace": 0.3} | facts,
        )

    def start(self, script: str, **facts: Any) -> str:
        plan = self.plan(script, **facts)
        self.executor.start(plan)
        self.executor.flush()
        return plan.execution.id

    def run(self, script: str, **facts: Any) -> Execution:
        """Start a script and return how it ended."""
        return self.end_of(self.start(script, **facts))

    def end_of(self, execution: str, *, timeout: float = 20.0) -> Execution:
        """Wait for the end of an execution and return it."""
        self.until(lambda: self.ends(execution), timeout=timeout, what=f"the end of {execution}")
        return self.ends(execution)[0]

    def ends(self, execution: str) -> list[Execution]:
        return [
            event.execution
            for event in self.events
            if event.kind is ExecutorEventKind.ENDED and event.execution.id == execution
        ]

    def until_it_wrote(self, execution: str, text: bytes) -> None:
        self.until(lambda: text in self.output(execution), what=f"{text!r} from {execution}")

    # The journal

    def frames(self, execution: str, *, before: Position | None = None) -> list[Frame]:
        """Return the execution's frames in the journal, of each stream up to a position if one is given."""
        found = []
        for name in self.journal.streams():
            position = Position(0, 0)
            while True:
                frames, after = self.journal.read(name, position)
                if after == position:
                    break
                position = after
                found += [
                    frame
                    for frame, place in placed(frames, after)
                    if frame.execution == execution and (before is None or place <= before)
                ]
        return found

    def output(self, execution: str, stream: Stream | None = None) -> bytes:
        """Return what the journal has of the execution's output."""
        return b"".join(
            frame.payload
            for frame in self.frames(execution)
            if frame.kind == Kind.OUTPUT and stream in {None, frame.stream}
        )

    def records(self, execution: str) -> list[Execution]:
        """Return what the journal says of the execution before its end."""
        frames = [frame for frame in self.frames(execution) if frame.kind == Kind.RECORD]
        return [from_document(json.loads(frame.payload)) for frame in frames]

    def recorded_end(self, execution: str, *, before: Position | None = None) -> Execution | None:
        """Return how the journal says the execution ended."""
        for frame in self.frames(execution, before=before):
            if frame.kind == Kind.END:
                return from_document(json.loads(frame.payload))
        return None

    def known(self, execution: str) -> bool:
        """Return True when a runner has or had the execution, or will get it."""
        return execution in self.executor.running() or bool(self.frames(execution))

    def pids(self, execution: str) -> list[int]:
        """Return the numbers the execution wrote, one a line."""
        return [int(line) for line in self.output(execution).split() if line.isdigit()]

    def runners(self) -> list[int]:
        """Return the runners of this home that live."""
        return [pid for pid in processes() if os.fsencode(str(self.state)) in command_line(pid)]

    def kill_runners(self) -> None:
        for pid in self.runners():
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End everything; fails when a process of an execution is left."""
        self.vanish()
        until(lambda: not [stop(pid) for pid in self.runners()], what="the end of the runners")
        strays = [pid for pid in processes() if os.fsencode(str(self.project)) in environment(pid)]
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        assert not strays, "processes of executions are left"


@contextmanager
def site(root: Path) -> Iterator[Site]:
    """Yield a site that is closed afterwards."""
    opened = Site(root)
    try:
        yield opened
    finally:
        opened.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def stop(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, ProcessLookupError):
        pass
    return pid


def alive(pid: int) -> bool:
    """Return True while the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def processes() -> list[int]:
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in numbers if alive(pid)]


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
