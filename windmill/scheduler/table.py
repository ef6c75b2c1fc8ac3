"""The scheduler's table of jobs: definition, state and timer of each, and the facts applied to them in one place."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from windmill.core.advance import wakes_at
from windmill.core.chain import NOT_THERE, Outlook, outlook, upstreams
from windmill.core.decide import decide
from windmill.core.events import Admit, Defined, Definition, Due, Ended, Event, Order, Record
from windmill.core.model import Execution, Job, Retry
from windmill.core.state import JobState, absorb
from windmill.core.triggers import trigger_for
from windmill.scheduler.timers import Timer, Timers

log = logging.getLogger("windmill.scheduler")


@dataclass(slots=True)
class Entry:
    """One row. `away` until the job's definition was seen for the first time since the scheduler returned.

    `broken` after a defect of ours in a decision about it: it rests until its file changes, the others go on.
    """

    state: JobState
    definition: Definition
    timer: Timer
    outlook: Outlook = NOT_THERE  # kept for jobs that others come after
    away: bool = True
    due: bool = False
    broken: bool = False


class Table:
    """All jobs the scheduler knows of, those gone included. Nothing here reads a clock or touches a file."""

    def __init__(self, timers: Timers, states: Iterable[JobState] = (), *, manual_only: bool = False) -> None:
        self._timers = timers
        self._manual_only = manual_only  # no slot and no retry of any job is due
        self._entries: dict[str, Entry] = {}
        self._due: list[str] = []
        self._after: dict[str, set[str]] = {}  # by job, those that come after it
        self.changed: set[str] = set()  # keys whose state is not persisted yet
        self.followed = False  # an end was answered to, and that is not persisted yet
        for state in states:
            self._add(state)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def jobs(self) -> dict[str, Job]:
        """Return the jobs wanted now, by key."""
        wanted = ((key, entry.definition.job) for key, entry in self._entries.items())
        return {key: job for key, job in wanted if job is not None}

    def job(self, key: str) -> Job | None:
        """Return the job wanted now under that key, or None."""
        entry = self._entries.get(key)
        return entry.definition.job if entry else None

    def take_due(self) -> list[str]:
        """Return the keys whose timers fired since the last call, in order of their instants."""
        due, self._due = self._due, []
        return due

    def apply(self, key: str, event: Event, now: datetime) -> list[Order]:
        """Decide on one fact and return what is to be done. While the job is away, facts are only kept."""
        entry = self._entries[key]
        entry.due = False
        if entry.away and not isinstance(event, Defined):
            if isinstance(event, Ended):
                self._set(key, entry, absorb(entry.state, event.execution))
            return []
        entry.away = False
        try:
            state, orders = decide(self._informed(entry), entry.state, event, now)
        except Exception as error:
            self._defect(key, entry, error)
            return []
        self.followed |= any(isinstance(order, Admit | Record) and bool(order.execution.after) for order in orders)
        self._set(key, entry, state)
        return orders

    def due(self, key: str, now: datetime) -> list[Order]:
        """Decide what follows from the job's timer."""
        return self.apply(key, Due(), now)

    def define(self, key: str, job: Job | None, now: datetime) -> list[Order]:
        """Take over a job's definition, new, changed or gone (None)."""
        if key not in self._entries:
            self._add(JobState(key=key, first_seen=now, covered=now))
            self._entries[key].away = False
        entry = self._entries[key]
        if job is not None and self._manual_only:
            definition = Definition(replace(job, retry=Retry()))
        else:
            definition = definition_of(job, entry.state.first_seen)
        before, entry.definition, entry.broken = entry.definition, definition, False
        self._link(key, before.job, job)
        return self.apply(key, Defined(before, returned=entry.away), now)

    def move(self, key: str, job: Job) -> None:
        """Note that the job is written somewhere else now; nothing else of it changed."""
        entry = self._entries[key]
        if entry.definition.job is not None:
            kept = replace(entry.definition.job, file=job.file, line=job.line)
            entry.definition = replace(entry.definition, job=kept)

    def confirm(self, execution: Execution) -> None:
        """Note a recorded start."""
        entry = self._entries.get(execution.job)
        if entry is not None:
            self._set(execution.job, entry, absorb(entry.state, execution))

    def ordered(self, key: str) -> Execution:
        """Note that the start of the job's queued execution is ordered; return that execution as it stands."""
        entry = self._entries[key]
        execution = entry.state.open
        if execution is None:
            raise LookupError(f"{key} has nothing to start")
        self._set(key, entry, replace(entry.state, ordered=True))
        return execution

    def _set(self, key: str, entry: Entry, state: JobState) -> None:
        if state is not entry.state:
            entry.state = state
            self.changed.add(key)
        self._tell_after(key)
        entry.timer.arm()

    def _add(self, state: JobState) -> None:
        key = state.key

        timer = self._timers.when(lambda _now: self._wakes_at(key))
        timer.tag("slot")
        self._entries[key] = Entry(state, Definition(None), timer)
        timer.do(self._mark, key)

    def _wakes_at(self, key: str) -> datetime | None:
        entry = self._entries.get(key)
        if entry is None or entry.due or entry.away or entry.broken:
            return None
        try:
            return wakes_at(self._informed(entry), entry.state)
        except Exception as error:
            self._defect(key, entry, error)
            return None

    def _defect(self, key: str, entry: Entry, error: Exception) -> None:
        log.error("deciding about %s failed: %r", key, error, extra={"event": "decision.failed", "job": key})
        entry.broken = True

    def _mark(self, key: str) -> None:
        entry = self._entries[key]
        if not entry.due:
            entry.due = True
            self._due.append(key)

    # Jobs after jobs

    def _informed(self, entry: Entry) -> Definition:
        """Return the job's definition with what is known now of the jobs it comes after."""
        job = entry.definition.job
        if job is None or not job.after:
            return entry.definition
        return replace(entry.definition, upstreams=upstreams(job, self._look))

    def _look(self, key: str) -> Outlook:
        entry = self._entries.get(key)
        return entry.outlook if entry else NOT_THERE

    def _link(self, key: str, before: Job | None, job: Job | None) -> None:
        for above in before.after if before else ():
            self._after.get(above.job, set()).discard(key)
        for above in job.after if job else ():
            self._after.setdefault(above.job, set()).add(key)
            self._tell_after(above.job)

    def _tell_after(self, key: str) -> None:
        """Let the jobs after this one look at it where it looks different now, and so on down the line."""
        telling = [key]
        while telling:
            entry = self._entries.get(name := telling.pop())
            if entry is None or not self._after.get(name) or not self._looks_different(name, entry):
                continue
            for below in self._after[name]:
                if not (self._entries[below].away or self._entries[below].broken):
                    self._mark(below)
                telling.append(below)

    def _looks_different(self, key: str, entry: Entry) -> bool:
        before = entry.outlook
        try:
            there = not entry.away and entry.definition.job is not None
            entry.outlook = outlook(self._informed(entry), entry.state) if there else NOT_THERE
        except Exception as error:
            self._defect(key, entry, error)
        return entry.outlook != before


def definition_of(job: Job | None, first_seen: datetime) -> Definition:
    """Return the job with the trigger its schedule makes; a disabled job has none."""
    if job is None or job.schedule is None or not job.enabled:
        return Definition(job)
    return Definition(job, trigger_for(job.schedule, key=job.key, first_seen=first_seen))
