"""The slots between `covered` and an instant: which are due, and how those that nothing starts for are settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from windmill.core.events import Definition, Order, Record
from windmill.core.executions import skipped
from windmill.core.model import CatchUp, Job
from windmill.core.state import JobState, linked
from windmill.core.triggers import slots

PIECE: Final = 1000  # slots settled by one decision at most, so that no decision takes long

Decision = tuple[JobState, list[Order]]


def next_slot(definition: Definition, state: JobState) -> datetime | None:
    """Return the first slot that is not settled yet, due or not; None without one, or when max_runs is reached."""
    job, trigger = definition.job, definition.trigger
    if job is None or job.schedule is None or trigger is None:
        return None
    if job.schedule.max_runs is not None and state.runs >= job.schedule.max_runs:
        return None
    return trigger.next_after(state.covered)


def due_slots(definition: Definition, state: JobState, now: datetime) -> list[datetime]:
    """Return the slots due by `now`, oldest first: one where each has its own execution, else up to PIECE + 1."""
    first = next_slot(definition, state)
    if first is None or first > now or definition.trigger is None:
        return []
    one_by_one = definition.job is not None and replays(definition.job, state, first)
    limit = 1 if one_by_one else PIECE + 1
    return slots(definition.trigger, after=state.covered, until=now, limit=limit)


def waits(definition: Definition, state: JobState) -> bool:
    """True where slots came due in sight of a scheduler and are held by upstreams."""
    slot = next_slot(definition, state) if state.held is not None else None
    return slot is not None and state.held is not None and slot <= state.held


def replays(job: Job, state: JobState, slot: datetime) -> bool:
    """True for a slot that catch_up: all wants to have an execution of its own."""
    if job.schedule is None or job.schedule.catch_up is not CatchUp.ALL:
        return False
    return state.catch_up_until is not None and slot <= state.catch_up_until


def skipping(state: JobState, until: datetime, reason: str) -> JobState:
    """Return the state in which slots up to `until` are to be skipped."""
    return replace(state, skip_until=until, skip_reason=reason)


def skip_piece(definition: Definition, state: JobState, until: datetime, now: datetime, *, reason: str) -> Decision:
    """Settle up to PIECE slots in (covered, until] as skipped; with none left, `skip_until` is over."""
    job, orders = definition.job, list[Order]()
    due: list[datetime] = []
    if job is not None and definition.trigger is not None and next_slot(definition, state) is not None:
        due = slots(definition.trigger, after=state.covered, until=until, limit=PIECE)
        if due:
            record = skipped(job, due, now, reason=reason)
            state, orders = linked(replace(state, covered=due[-1]), record), [Record(record)]
    if len(due) < PIECE:
        state = replace(state, skip_until=None, skip_reason="")
    return state, orders


def skip_all(definition: Definition, state: JobState, now: datetime) -> Decision:
    """Settle what is to be skipped without waiting for another turn; for spans that an execution bounds."""
    orders: list[Order] = []
    while state.skip_until is not None:
        state, more = skip_piece(definition, state, state.skip_until, now, reason=state.skip_reason)
        orders += more
    return state, orders


def schedule_text(definition: Definition) -> str:
    """Return a text equal for equal schedules, "" for a job that has none, is disabled or gone."""
    job = definition.job
    if job is None or not job.enabled or job.schedule is None:
        return ""
    schedule = job.schedule
    timing = (
        schedule.interval,
        schedule.cron,
        schedule.at,
        schedule.start_at,
        schedule.end_at,
        schedule.timezone,
        schedule.spread,
        sorted(schedule.skip_dates),
    )
    return repr(timing)
