"""Days of a home in which time is a number: many jobs, one scheduler that dies and returns, one runner that does not.

Table, performer, ledger and recovery are the real ones, turned as the loop turns them; journals are lists. What was
written down is the story, in order, with the instant of each line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from windmill.core.documents import Document, to_document
from windmill.core.entries import document_in, execution_of
from windmill.core.errors import NotFound
from windmill.core.events import Event
from windmill.core.model import Caps, Execution, Job, Location, State
from windmill.core.ports import ExecutorEvent, Frame, Kind, Plan, Position
from windmill.core.reconcile import diff
from windmill.core.state import Exact
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.perform import Performer
from windmill.scheduler.recovery import recover
from windmill.scheduler.table import Table
from windmill.scheduler.timers import Timers

Outcome = Callable[[Execution], tuple[timedelta, State]]
SECOND = timedelta(seconds=1)
GRACE = timedelta(seconds=5)  # from the wish to stop to the end


class Pages:
    """A stream of the scheduler's in memory, and all runners' frames: a journal without a disk."""

    def __init__(self, frames: Iterable[Frame] = ()) -> None:
        self.frames = list(frames)

    @property
    def position(self) -> Position:
        return Position(1, len(self.frames))

    def append(self, frames: Iterable[Frame], *, urgent: bool = False) -> None:
        self.frames += frames

    def commit(self) -> None:
        """Nothing to do."""

    def close(self, *, settled: bool) -> None:
        """Nothing to do."""

    def streams(self) -> list[str]:
        return ["runner"]

    def first(self, stream: str) -> Position:
        return Position(1, 0)

    def newest(self, stream: str) -> Iterable[Frame]:
        return self.frames

    def settled(self, stream: str) -> bool:
        return False

    def read(self, stream: str, position: Position, *, limit: int = 0) -> tuple[list[Frame], Position]:
        return self.frames[position.offset :], self.position

    def release(self, stream: str, position: Position) -> None:
        """Everything is kept."""

    def size(self) -> int:
        return 0

    def full(self) -> bool:
        return False


class Runner:
    """Runs what it is told to, whatever becomes of the scheduler; every execution once, each job alone."""

    def __init__(self, day: Day, takes: Outcome) -> None:
        self._day, self._takes = day, takes
        self.journal = Pages()
        self.running: dict[str, tuple[datetime, Execution]] = {}  # by job: when it ends, and how
        self.started: set[str] = set()
        self._orders: list[Plan | str] = []

    def fileno(self) -> int:
        raise OSError("there is nothing to wait for")

    def start(self, plan: Plan) -> None:
        self._orders.append(plan)

    def stop(self, execution: str, *, by: str) -> None:
        self._orders.append(execution)

    def events(self) -> Sequence[ExecutorEvent]:
        return []

    def detach(self) -> None:
        """Nothing is held."""

    def forget(self) -> None:
        """Lose the orders that a dying scheduler could not send any more."""
        self._orders.clear()

    def flush(self) -> None:
        """Carry out the orders."""
        orders, self._orders = self._orders, []
        for order in orders:
            if isinstance(order, str):
                self._stop(order)
            else:
                self._start(order.execution)

    def _start(self, execution: Execution) -> None:
        assert execution.id not in self.started, f"{execution.job} {execution.id} starts twice"
        assert execution.job not in self.running, f"{execution.job} overlaps itself"
        self.started.add(execution.id)
        begun = replace(execution, state=State.RUNNING, started_at=self._day.now)
        duration, state = self._takes(execution)
        ends = self._day.now + duration
        ended = replace(begun, state=state, ended_at=ends, exit_code=0 if state is State.SUCCEEDED else 1)
        self.running[execution.job] = (ends, ended)
        self._tell(Kind.RECORD, begun)

    def _stop(self, identity: str) -> None:
        for job, (ends, ended) in self.running.items():
            at = self._day.now + GRACE
            if ended.id == identity and at < ends:
                self.running[job] = (at, replace(ended, state=State.STOPPED, ended_at=at))

    def next_end(self) -> datetime | None:
        return min((ends for ends, _ in self.running.values()), default=None)

    def tick(self) -> None:
        """End what has come to its end."""
        over = sorted((ends, job) for job, (ends, _) in self.running.items() if ends <= self._day.now)
        for _, job in over:
            self._tell(Kind.END, self.running.pop(job)[1])

    def _tell(self, kind: Kind, execution: Execution) -> None:
        self.journal.append([_frame(kind, execution)])
        self._day.story.append((self._day.now, execution))


@dataclass
class Life:
    """One scheduler's time."""

    begin: datetime
    end: datetime | None = None


@dataclass
class Day:
    """What was wanted when (`files`), who lived when, and what was written down: the material for a judgement."""

    now: datetime
    takes: Outcome
    caps: Caps
    chance: Callable[[], bool] = lambda: True  # whether states are persisted at the end of a turn
    jobs: dict[str, Job] = field(default_factory=dict)  # as the files say
    story: list[tuple[datetime, Execution]] = field(default_factory=list)
    files: list[tuple[datetime, str, Job | None]] = field(default_factory=list)  # as a scheduler took them over
    capped: list[tuple[datetime, Caps]] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    waiting: list[tuple[datetime, list[str]]] = field(default_factory=list)  # executions, after each turn
    answers: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner = Runner(self, self.takes)
        self._own = Pages()
        self._turned = self.now

    # The scheduler

    @property
    def alive(self) -> bool:
        return bool(self.lives) and self.lives[-1].end is None

    def begin(self) -> None:
        """Start a scheduler: it reads what the last one left, then the files."""
        self.runner.tick()
        found = recover(self._own.frames, self.runner.journal)
        assert not found.senseless
        assert not found.without_process(frozenset(one.id for _, one in self.runner.running.values()), self.now)
        self.timers = Timers(self.now)
        self.table = Table(self.timers, found.states.values())
        self.ledger = Ledger(self._writer)
        self.ledger.marks = found.marks
        self.ledger.open(lambda: [entry.state for entry in self.table], lambda: self.now)
        self.performer = Performer(
            self.table,
            self.runner,
            self.ledger,
            answers=self.answers.extend,
            environ={},
            caps=self.caps,
            reproduce=_nothing_again,
        )
        projects = {job.project for job in self.jobs.values()} - {"ghost"}
        self.performer.locations = {one: Location(root="/p", revision=None, python="python") for one in projects}
        self.lives.append(Life(self.now))
        self._turned = self.now
        self.capped.append((self.now, self.caps))
        self.turn(self._load)

    def _writer(self, checkpoint: Callable[[], Iterable[Frame]]) -> Pages:
        self._own = Pages(checkpoint())
        return self._own

    def turn(self, *acts: Callable[[], None], dies: str = "") -> None:
        """One turn of the loop, with what is asked of it; it `dies` before it writes or sends its orders."""
        self._catch_up_with_writing()
        self.timers.now = self.now
        self.runner.tick()
        self._hear()
        self.timers.run_pending()
        self._decide()
        for act in acts:
            act()
        self._decide()
        self.performer.admit(self.now)
        if dies == "write":
            return self._die()
        followed, self.table.followed = self.table.followed, False
        if followed or (not dies and self.chance()):
            self._persist()
        self._write()
        if dies == "orders":
            return self._die()
        self.runner.flush()
        self.waiting.append((self.now, [one.id for one in self.performer.waiting]))
        return None

    def die(self) -> None:
        """kill -9 between two turns."""
        self._catch_up_with_writing()
        self._die()

    def _die(self) -> None:
        self.runner.forget()
        self.lives[-1].end = self.now

    def _unread(self) -> bool:
        return self.ledger.marks.get("runner", Position(1, 0)) < self.runner.journal.position

    def _catch_up_with_writing(self) -> None:
        """Persist what was not for a second."""
        if self.now - self._turned >= SECOND:
            self._persist()
        self._turned = self.now

    def _hear(self) -> None:
        frames, after = self.runner.journal.read("runner", self.ledger.marks.get("runner", Position(1, 0)))
        self.ledger.marks["runner"] = after
        for frame in frames:
            execution = execution_of(document_in(frame.payload))
            if frame.kind == Kind.RECORD:
                self.performer.running[execution.id] = execution.job
                self.table.confirm(execution)
            else:
                self.performer.ended(execution, self.now)

    def _decide(self) -> None:
        while due := self.table.take_due():
            for key in due:
                self.performer.perform(self.table.due(key, self.now), self.now)

    def _persist(self) -> None:
        changed, self.table.changed = self.table.changed, set()
        if changed:
            self.ledger.states((self.table[key].state for key in sorted(changed)), self.now, mark=True)
            self._write()

    def _write(self) -> None:
        before = len(self._own.frames)
        self.ledger.write(self.now)
        for frame in self._own.frames[before:]:
            if frame.kind in {Kind.RECORD, Kind.END}:
                self.story.append((self.now, execution_of(document_in(frame.payload))))

    def _load(self) -> None:
        changes = diff(self.table.jobs(), self.jobs)
        away = [entry.state.key for entry in self.table if entry.away]
        gone = [*changes.removed, *(key for key in away if key not in self.jobs)]
        for key in dict.fromkeys(
            [*gone, *changes.changed, *changes.added, *(key for key in away if key in self.jobs)]
        ):
            self.performer.define(key, self.jobs.get(key), self.now)
            self.files.append((self.now, key, self.jobs.get(key)))
        self._persist()

    # People

    def save(self, *jobs: Job, remove: Sequence[str] = ()) -> None:
        """Change files; a scheduler that lives takes them over at once."""
        for job in jobs:
            self.jobs[job.key] = replace(job, digest=f"{self.now}{job.priority}")
        for key in remove:
            self.jobs.pop(key, None)
        if self.alive:
            self.turn(self._load)

    def cap(self, caps: Caps) -> None:
        """Change the caps."""

        def act() -> None:
            self.performer.caps = self.caps = caps
            self.capped.append((self.now, caps))

        self.turn(act)

    def ask(self, key: str, event: Event) -> None:
        """Ask something of the scheduler about a job."""

        def act() -> None:
            if key in self.table:
                self.performer.perform(self.table.apply(key, event, self.now), self.now)
            self._persist()

        self.turn(act)

    # Time

    def until(self, end: datetime) -> None:
        """Let everything happen that is due by `end`, with the scheduler or without."""
        for _ in range(1_000_000):
            wake = self.timers.get_next_run() if self.alive else None
            news = self.now if self.alive and self._unread() else None
            upcoming = min((at for at in (wake, self.runner.next_end(), news) if at is not None), default=None)
            if upcoming is None or upcoming > end:
                self.now = max(self.now, end)
                return
            self.now = max(self.now, upcoming)
            if self.alive:
                self.turn()
            else:
                self.runner.tick()
        raise AssertionError("time does not go on")


def _frame(kind: Kind, execution: Execution) -> Frame:
    return Frame(kind, execution.id, 0, 0, 0, json.dumps(to_document(execution)).encode())


def _nothing_again(exact: Exact) -> tuple[Job, Location]:
    raise NotFound(f"{exact.digest} is not kept")


def final(story: Iterable[tuple[datetime, Execution]]) -> Mapping[str, Execution]:
    """Return each execution as it was written down last."""
    return {execution.id: execution for _, execution in story}
