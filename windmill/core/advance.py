"""What a job that is free does now: slots are settled, ends upstream answered to, a retry begins. Pure.

One rule carries most of it: `covered` is the instant up to which every slot is settled. When a job is free, every
slot in (covered, now] is settled at once: the newest becomes an execution, the others are coalesced into it. So an
execution that outlasts its interval is followed at once by one more (00:00, 01:30, 03:00), a late loop starts once,
and a restart or reload in between changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from windmill.core.chain import adopt, arrived, mistakes, ready_until
from windmill.core.events import Admit, Answer, Definition, Order, Record
from windmill.core.executions import for_ends, for_request, for_slots, left_out, next_attempt, skipped, with_slots
from windmill.core.model import SCHEDULED, Cause, Execution, Job, State, When, execution_id
from windmill.core.settling import PIECE, Decision, due_slots, next_slot, replays, skip_piece, skipping
from windmill.core.state import BLOCKED, COALESCED, Exact, JobState, linked, superseded

INSTANT: Final = timedelta(milliseconds=1)  # the least that two instants are apart


def wakes_at(definition: Definition, state: JobState) -> datetime | None:
    """Return the instant at which the job is `Due`, or None while only another fact can move it."""
    if not _free(definition, state):
        return None
    slot, bound = next_slot(definition, state), ready_until(definition.upstreams)
    early = slot is not None and bound is not None and slot >= bound and not (state.paused or state.skip_until)
    if early and state.held is not None and definition.trigger is not None:
        slot = definition.trigger.next_after(max(state.covered, state.held))
    instants = [slot]
    if state.retry is not None and state.open is None:
        instants.append(state.retry.at)
    return min(filter(None, instants), default=None)


def advance(definition: Definition, state: JobState, now: datetime) -> Decision:
    """Settle what is due for a job that is free: slots to skip, a waiting request, slots to start, a retry."""
    job = definition.job
    if job is not None and job.enabled and job.schedule is None:
        state = adopt(state, definition.upstreams)
    if job is None or not _free(definition, state):
        return state, []
    orders: list[Order] = []
    if state.skip_until is not None:
        state, orders = skip_piece(definition, state, state.skip_until, now, reason=state.skip_reason)
        if state.skip_until is not None:
            return state, orders
    state, more = _begin(definition, job, state, now)
    return state, [*orders, *more]


def _begin(definition: Definition, job: Job, state: JobState, now: datetime) -> Decision:
    if state.waiting is not None and state.open is None:
        request = state.waiting
        state, orders = _admit(replace(state, waiting=None), for_request(job, request, now), request.exact)
        return state, [*orders, Answer(request.id, execution_id(job.key, cause=Cause.MANUAL, what=request.id))]
    if state.paused is not None:
        until = state.paused.until
        if until is not None and until <= now:
            return advance(definition, skipping(replace(state, paused=None), until, "paused"), now)
        state, orders = _follow(definition, job, state, now) if state.open is None else (state, [])
        state, more = skip_piece(definition, state, now, now, reason="paused")
        return state, [*orders, *more]
    bound = ready_until(definition.upstreams)
    due = due_slots(definition, state, now if bound is None else min(now, bound - INSTANT))
    if due:
        return _settle(definition, job, state, due, now)
    if bound is not None and (slot := next_slot(definition, state)) is not None and slot <= now:
        state = replace(state, held=now)
    if state.open is None and job.schedule is None and arrived(state, definition.upstreams):
        return _follow(definition, job, state, now)
    if state.retry is not None and state.open is None and state.retry.at <= now:
        return _admit(state, next_attempt(job, state.retry.of, now), state.retry.exact)
    return state, []


def _free(definition: Definition, state: JobState) -> bool:
    """True when slots of the job are to be settled now: it is wanted, and nothing of it runs or was ordered.

    A scheduled execution that is held by a cap takes them in; one that has its slot to itself (catch_up: all), a
    manual one or a retry lets them wait for its end.
    """
    if definition.job is None or not definition.job.enabled:
        return False
    if state.open is None:
        return True
    if state.open.state is not State.QUEUED or state.ordered or state.open.trigger not in SCHEDULED:
        return False
    return state.open.slot is None or not replays(definition.job, state, state.open.slot)


def _follow(definition: Definition, job: Job, state: JobState, now: datetime) -> Decision:
    """Answer to the ends of all upstreams of a job without a schedule: start, or say why not."""
    if job.schedule is not None or not arrived(state, definition.upstreams):
        return state, []
    execution = for_ends(job, {one.key: one.last for one in definition.upstreams if one.last}, now)
    unmet = list(mistakes(definition.upstreams, after=None, slot=None))
    if state.paused is None and not unmet:
        return _admit(replace(state, taken=execution.after), execution)
    if state.paused is None and all(when is When.FAILURE for when, _ in unmet):  # nothing went wrong: nothing was due
        return replace(state, taken=execution.after), []
    reason = "paused" if state.paused else f"{BLOCKED}: {'; '.join(why for _, why in unmet)}"
    return leave_out(superseded(state), left_out(execution, now, reason=reason))


def leave_out(state: JobState, record: Execution) -> Decision:
    """Write down that something was not started, and let the jobs after this one know."""
    return linked(state, record), [Record(record)]


def _settle(definition: Definition, job: Job, state: JobState, due: list[datetime], now: datetime) -> Decision:
    """Settle slots that are due together: into the queued execution, or into a new one."""
    due, more = due[:PIECE], len(due) > PIECE
    if state.open is not None:
        merged = with_slots(state.open, due)
        return replace(state, covered=due[-1], open=merged), [Record(merged)]
    if job.schedule is not None and job.schedule.end_at is not None and now > job.schedule.end_at:
        return leave_out(replace(state, covered=due[-1]), skipped(job, due, now, reason="window"))
    if more:  # account for these, and start with the last of those that follow, in the next turn
        return leave_out(replace(state, covered=due[-1]), skipped(job, due, now, reason=COALESCED))
    if unmet := [why for _, why in mistakes(definition.upstreams, after=state.covered, slot=due[-1])]:
        reason = f"{BLOCKED}: {'; '.join(unmet)}"
        return leave_out(superseded(replace(state, covered=due[-1])), skipped(job, due, now, reason=reason))
    caught = state.catch_up_until is not None and due[-1] <= state.catch_up_until
    execution = for_slots(job, due, now, cause=Cause.CATCH_UP if caught else Cause.SCHEDULE)
    state = replace(state, covered=due[-1], runs=state.runs + 1)
    return _admit(state, execution)


def _admit(state: JobState, execution: Execution, exact: Exact | None = None) -> Decision:
    if exact is not None:
        execution = replace(execution, job_digest=exact.digest)
    return replace(superseded(state, execution), open=execution, exact=exact), [Admit(execution)]
