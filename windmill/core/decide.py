"""What follows from a fact about one job: `decide(definition, state, event, now) -> (state, orders)`. Pure.

What a free job does then is told in `advance`; here stand the facts that change it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from windmill.core.advance import advance, leave_out
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
from windmill.core.executions import left_out, retry_instant
from windmill.core.model import SCHEDULED, TERMINAL, CatchUp, Cause, Execution, Overrun, State, execution_id
from windmill.core.settling import Decision, next_slot, schedule_text, skip_all, skipping, waits
from windmill.core.state import JobState, ManualRequest, PendingRetry, end_of, superseded

LATE: Final = timedelta(minutes=1)  # a slot this young when the scheduler returns is late, not missed


def decide(definition: Definition, state: JobState, event: Event, now: datetime) -> Decision:
    """Return the job's next state and what is to be done, in order. Never raises for any sequence of events.

    `definition` is the job as wanted now; an event about something that is over is ignored. Every decision is
    short: where more than PIECE slots are to be settled, the job is `Due` again at once.
    """
    match event:
        case Due():
            return advance(definition, state, now)
        case Ended(execution):
            return _ended(definition, state, execution, now)
        case Defined(before, returned):
            return _returned(definition, state, now) if returned else _defined(definition, state, before, now)
        case RunRequested(request, wait):
            return _run_requested(definition, state, request, wait=wait, now=now)
        case StopRequested():
            return _stop_requested(definition, state, event, now)
        case PauseRequested(request, pause):
            state = superseded(replace(state, paused=pause))
            by_itself = state.open is not None and state.open.trigger in {*SCHEDULED, Cause.AFTER}
            state, orders = _give_up_queued(state, now, reason="paused") if by_itself else (state, [])
            return state, [*orders, Answer(request)]
        case ResumeRequested(request) if state.paused is None:
            return state, [Answer(request)]
        case ResumeRequested(request):
            state, orders = advance(definition, skipping(replace(state, paused=None), now, "paused"), now)
            return state, [*orders, Answer(request)]
        case _:
            assert_never(event)


def _ended(definition: Definition, state: JobState, execution: Execution, now: datetime) -> Decision:
    if state.open is None or state.open.id != execution.id:
        return state, []
    return advance(definition, _judged(definition, state, execution, now), now)


def _judged(definition: Definition, state: JobState, ended: Execution, until: datetime) -> JobState:
    """Return the state after the end of its execution: a retry it asks for, slots up to `until` it overran."""
    exact, job = state.exact, definition.job
    state = replace(state, open=None, exact=None, ordered=False)
    if job is None or not job.enabled or state.paused is not None:
        return replace(state, last=end_of(ended))
    retry_at = retry_instant(job.retry, ended)
    if retry_at is None:
        state = replace(state, last=end_of(ended))
    else:
        state = replace(state, retry=PendingRetry(at=retry_at, of=ended, exact=exact))
    slot = next_slot(definition, state)
    found_it_open = slot is not None and slot > ended.queued_at  # one that waited already did not
    if found_it_open and job.schedule is not None and job.schedule.overrun is Overrun.SKIP:
        state = skipping(state, until, "overrun")
    return state


def _defined(definition: Definition, state: JobState, before: Definition, now: datetime) -> Decision:
    """The job's file changed, came or went while the scheduler was looking."""
    wanted, wants = schedule_text(definition), definition.job is not None and definition.job.enabled
    had = before.job is not None and before.job.enabled
    if not had or not wants or wanted != state.schedule:  # what upstreams did till now is nothing to answer to
        state = replace(state, taken={})
    if wanted == state.schedule and wants:
        return advance(definition, state, now)
    # slots of the old schedule that waited have a claim; they get a verdict
    state, orders = skip_all(before, skipping(state, now, "rescheduled"), now)
    state = replace(state, schedule=wanted, covered=max(state.covered, now), skip_until=None, catch_up_until=None)
    if definition.job is None or not definition.job.enabled:
        reason = "removed" if definition.job is None else "disabled"
        state, more = _give_up_queued(superseded(state), now, reason=reason)
        orders += more
        if state.waiting is not None:
            orders.append(Answer(state.waiting.id, refused=f"the job was {reason}"))
            state = replace(state, waiting=None)
        return state, orders
    state, more = advance(definition, state, now)
    return state, [*orders, *more]


def _give_up_queued(state: JobState, now: datetime, *, reason: str) -> Decision:
    """Skip what waits for its start; what runs goes on to its end."""
    if state.open is None or state.open.state is not State.QUEUED or state.ordered:
        return state, []
    return leave_out(replace(state, open=None, exact=None), left_out(state.open, now, reason=reason))


def _returned(definition: Definition, state: JobState, now: datetime) -> Decision:
    """First look after the scheduler was away: judge what ended meanwhile, then the slots that were missed."""
    job, orders = definition.job, list[Order]()
    if schedule_text(definition) != state.schedule or job is None or not job.enabled:
        state, orders = _defined(definition, state, Definition(None), now)
    if state.open is not None and state.open.state in TERMINAL:
        ended = state.open
        state = _judged(definition, state, ended, ended.ended_at or now)
        state, more = skip_all(definition, state, now)
        orders += more
    if state.open is not None:
        return state, ([*orders, Admit(state.open)] if state.open.state is State.QUEUED else orders)
    if job is not None and job.schedule is not None and state.paused is None and not waits(definition, state):
        schedule = job.schedule
        if schedule.catch_up is CatchUp.NONE:
            state = skipping(state, now - LATE, "missed")
        else:
            state = skipping(state, now - schedule.catch_up_window, "missed")
            state = replace(state, catch_up_until=now - LATE)
    state, more = advance(definition, state, now)
    return state, [*orders, *more]


def _run_requested(
    definition: Definition, state: JobState, request: ManualRequest, *, wait: bool, now: datetime
) -> Decision:
    job = definition.job
    if job is None or not job.enabled:
        refusal = "the job is disabled in its file" if job else "there is no such job"
        return state, [Answer(request.id, refused=refusal)]
    identity = execution_id(job.key, cause=Cause.MANUAL, what=request.id)
    if state.open is None:
        return advance(definition, replace(state, waiting=request), now)
    if state.open.id == identity:  # asked again: a scheduler died before it could answer
        return state, [Answer(request.id, identity)]
    if wait and state.waiting is None:
        return replace(state, waiting=request), []
    if wait and state.waiting is not None and state.waiting.id == request.id:
        return state, []
    refusal = "another manual start is waiting already" if wait else f"the job is {state.open.state} already"
    return state, [Answer(request.id, state.open.id, refused=refusal)]


def _stop_requested(definition: Definition, state: JobState, asked: StopRequested, now: datetime) -> Decision:
    answer = Answer(asked.request, asked.execution)
    if state.open is None or state.open.id != asked.execution or state.open.state in TERMINAL:
        return state, [replace(answer, refused="the execution has ended already")]
    if state.ordered or state.open.state is State.RUNNING:
        return state, [Stop(asked.execution, asked.by), answer]
    stopped = replace(state.open, state=State.STOPPED, reason=f"stopped: by {asked.by}", ended_at=now)
    state, orders = advance(definition, replace(state, open=None, exact=None, last=end_of(stopped)), now)
    return state, [Record(stopped), answer, *orders]
