"""A world of one job in which time is a number: durations are given, executions happen, nothing waits.

It plays loop and runner for `core.decide`, and keeps every record, so that a test can ask what became of each slot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from windmill.core.advance import wakes_at
from windmill.core.decide import decide
from windmill.core.events import (
    Admit,
    Answer,
    Defined,
    Definition,
    Due,
    Ended,
    Event,
    Order,
    PauseRequested,
    Record,
    ResumeRequested,
    RunRequested,
    Stop,
    StopRequested,
)
from windmill.core.model import Execution, Job, Schedule, State
from windmill.core.state import (
    JobState,
    ManualRequest,
    Pause,
    absorb,
    state_from_document,
    state_to_document,
)
from windmill.core.triggers import slots, trigger_for

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

Outcome = Callable[[Execution], tuple[timedelta, State]]


def a_job(schedule: Schedule | None = None, **changes: object) -> Job:
    """Return a job dw/load; hourly on the hour from T0 unless a schedule is given."""
    schedule = schedule or Schedule(interval=HOUR, start_at=T0)
    job = Job(
        project="dw", name="load", entry_point="load.py", file="jobs.d/load.yaml", digest="d1", schedule=schedule
    )
    return replace(job, **changes)  # type: ignore[arg-type]  # a builder takes any field


class World:
    """`starts` are the instants at which executions began; `records` all executions by id as last recorded."""

    def __init__(self, job: Job, *, begin: datetime = T0 - MINUTE, takes: timedelta | Outcome = MINUTE) -> None:
        self.now = begin
        self.state = JobState(key=job.key, first_seen=begin, covered=begin)
        self.definition = Definition(None)
        self.records: dict[str, Execution] = {}
        self.starts: list[datetime] = []
        self.started: list[Execution] = []
        self.answers: list[Answer] = []
        self.held: Execution | None = None  # queued, held by a cap
        self.capped = False
        self._takes = takes
        self._end: tuple[datetime, Execution] | None = None
        self.define(job)

    # What happens to the job

    @property
    def job(self) -> Job:
        assert self.definition.job is not None
        return self.definition.job

    def define(self, job: Job | None) -> None:
        before, self.definition = self.definition, self._definition(job)
        self.apply(Defined(before))

    def pause(self, until: datetime | None = None) -> None:
        self.apply(PauseRequested("p", Pause(until=until)))

    def resume(self) -> None:
        self.apply(ResumeRequested("r"))

    def run(self, request: str = "m1", *, wait: bool = False) -> Answer | None:
        self.answers.clear()
        self.apply(RunRequested(ManualRequest(id=request), wait))
        return self.answers[-1] if self.answers else None

    def stop(self) -> None:
        """Stop what is open, if anything is."""
        if self.state.open is not None:
            self.apply(StopRequested("s", self.state.open.id, "ana"))

    def uncap(self) -> None:
        self.capped = False
        if self.held is not None and self.state.open is not None:
            self._start(self.state.open)

    def toggle_cap(self) -> None:
        if self.capped:
            self.uncap()
        else:
            self.capped = True

    def away(self, duration: timedelta) -> None:
        """The scheduler dies and comes back; the runner goes on meanwhile."""
        self.restart(self.now + duration)

    def restart(self, at: datetime) -> None:
        state = state_from_document(state_to_document(self.state))
        if self._end is not None:
            ends, execution = self._end
            state = absorb(absorb(state, self.records[execution.id]), self.records[execution.id])
            if ends <= at:
                self.records[execution.id] = execution
                state = absorb(state, execution)
                self._end = None
        self.now, self.state, self.held = at, state, None
        self.apply(Defined(Definition(None), returned=True))

    # Time

    def until(self, end: datetime) -> World:
        """Let everything happen that is due by `end`."""
        for _ in range(1_000_000):
            wake = wakes_at(self.definition, self.state)
            ends = self._end[0] if self._end else None
            upcoming = min((at for at in (wake, ends) if at is not None), default=None)
            if upcoming is None or upcoming > end:
                self.now = max(self.now, end)
                return self
            self.now = max(self.now, upcoming)
            if self._end is not None and self._end[0] <= self.now:
                execution = self._end[1]
                self._end = None
                self.records[execution.id] = execution
                self.apply(Ended(execution))
            else:
                self.apply(Due())
        raise AssertionError("time does not go on")

    def apply(self, event: Event) -> None:
        self.state, orders = decide(self.definition, self.state, event, self.now)
        for order in orders:
            self._perform(order)

    # What became of it

    def verdicts(self) -> dict[datetime, list[Execution]]:
        """Return for every slot of the present schedule up to `covered` the records that settle it."""
        assert self.definition.trigger is not None
        first = self.state.first_seen
        every = slots(self.definition.trigger, after=first, until=self.state.covered, limit=1_000_000)
        found: dict[datetime, list[Execution]] = {slot: [] for slot in every}
        for record in self.records.values():
            if record.attempt > 1 or record.slot is None:
                continue
            low, high = record.coalesced_from or record.slot, record.coalesced_to or record.slot
            settled = [slot for slot in every if low <= slot <= high]
            assert len(settled) == record.coalesced + 1, record
            for slot in settled:
                found[slot].append(record)
        return found

    def reasons(self) -> list[str]:
        skipped = [record for record in self.records.values() if record.state is State.SKIPPED]
        return [record.reason for record in sorted(skipped, key=lambda record: record.queued_at)]

    def _definition(self, job: Job | None) -> Definition:
        if job is None or job.schedule is None or not job.enabled:
            return Definition(job)
        return Definition(job, trigger_for(job.schedule, key=job.key, first_seen=self.state.first_seen))

    def _perform(self, order: Order) -> None:
        match order:
            case Record(execution):
                self.records[execution.id] = execution
                if execution.state is not State.QUEUED:
                    self.held = None
            case Admit(execution):
                if self.capped:
                    self.held = self.records[execution.id] = execution
                else:
                    self._start(execution)
            case Stop(execution):
                assert self._end is not None
                self._end = (self.now, replace(self._end[1], state=State.STOPPED, ended_at=self.now))
            case Answer():
                self.answers.append(order)

    def _start(self, execution: Execution) -> None:
        assert self._end is None, "a job must never overlap itself"
        assert execution.id not in {one.id for one in self.started}, "an execution must never start twice"
        self.held = None
        duration, state = self._takes(execution) if callable(self._takes) else (self._takes, State.SUCCEEDED)
        running = replace(execution, state=State.RUNNING, started_at=self.now)
        self.state = absorb(replace(self.state, ordered=True), running)
        self.records[execution.id] = running
        self.starts.append(self.now)
        self.started.append(running)
        ends = self.now + duration
        self._end = (
            ends,
            replace(running, state=state, ended_at=ends, exit_code=0 if state is State.SUCCEEDED else 1),
        )
