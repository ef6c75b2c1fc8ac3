"""What follows from a fact about one job: `decide(definition, state, event, now) -> (state, orders)`. Pure.

One rule carries most of it: `covered` is the instant up to which every slot is settled. When a job is free, every
slot in (covered, now] is settled at once: the newest becomes an execution, the others are coalesced into it. So an
execution that outlasts its interval is followed at once by one more (00:00, 01:30, 03:00), a late loop starts once,
and a restart or reload in between changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from windmill.core.chain import adopt, arrived, mistakes, ready_until
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
from windmill.core.executions import (
    for_ends,
    for_request,
    for_slots,
    left_out,
    next_attempt,
    retry_instant,
    skipped,
    with_slots,
)
from windmill.core.model import (
    SCHEDULED,
    TERMINAL,
    CatchUp,
    Cause,
    Execution,
    Job,
    Overrun,
    State,
    When,
    execution_id,
)
from windmill.core.settling import (
    PIECE,
    Decision,
    due_slots,
    next_slot,
    replays,
    schedule_text,
    skip_all,
    skip_piece,
    skipping,
    waits,
)
from windmill.core.state import (
    BLOCKED,
    COALESCED,
    Exact,
    JobState,
    ManualRequest,
    PendingRetry,
    end_of,
    linked,
    superseded,
)

INSTANT: Final = timedelta(milliseconds=1)  # the least that two instants are apart
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
    return _leave_out(superseded(state), left_out(execution, now, reason=reason))


def _leave_out(state: JobState, record: Execution) -> Decision:
    return linked(state, record), [Record(record)]


def _settle(definition: Definition, job: Job, state: JobState, due: list[datetime], now: datetime) -> Decision:
    """Settle slots that are due together: into the queued execution, or into a new one."""
    due, more = due[:PIECE], len(due) > PIECE
    if state.open is not None:
        merged = with_slots(state.open, due)
        return replace(state, covered=due[-1], open=merged), [Record(merged)]
    if job.schedule is not None and job.schedule.end_at is not None and now > job.schedule.end_at:
        return _leave_out(replace(state, covered=due[-1]), skipped(job, due, now, reason="window"))
    if more:  # account for these, and start with the last of those that follow, in the next turn
        return _leave_out(replace(state, covered=due[-1]), skipped(job, due, now, reason=COALESCED))
    if unmet := [why for _, why in mistakes(definition.upstreams, after=state.covered, slot=due[-1])]:
        reason = f"{BLOCKED}: {'; '.join(unmet)}"
        return _leave_out(superseded(replace(state, covered=due[-1])), skipped(job, due, now, reason=reason))
    caught = state.catch_up_until is not None and due[-1] <= state.catch_up_until
    execution = for_slots(job, due, now, cause=Cause.CATCH_UP if caught else Cause.SCHEDULE)
    state = replace(state, covered=due[-1], runs=state.runs + 1)
    return _admit(state, execution)


def _admit(state: JobState, execution: Execution, exact: Exact | None = None) -> Decision:
    if exact is not None:
        execution = replace(execution, job_digest=exact.digest)
    return replace(superseded(state, execution), open=execution, exact=exact), [Admit(execution)]


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
    found_it_open = (
        slot is not None and slot > ended.queued_at
    )  # one that waited already, for whatever reason, did not
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
    return _leave_out(replace(state, open=None, exact=None), left_out(state.open, now, reason=reason))


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
