"""The executions that decisions make: for slots, for a person, for another attempt, for slots that are skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from windmill.core.documents import to_text
from windmill.core.model import FAILURES, Cause, Execution, Job, Retry, State, execution_id
from windmill.core.state import End, ManualRequest


def for_slots(job: Job, due: list[datetime], now: datetime, *, cause: Cause) -> Execution:
    """Return the queued execution of the newest slot, into which the earlier ones are coalesced."""
    slot = due[-1]
    return Execution(
        id=execution_id(job.key, cause=cause, what=to_text(slot) or ""),
        job=job.key,
        state=State.QUEUED,
        trigger=cause,
        slot=slot,
        coalesced=len(due) - 1,
        coalesced_from=due[0] if len(due) > 1 else None,
        coalesced_to=slot if len(due) > 1 else None,
        queued_at=now,
        job_digest=job.digest,
    )


def with_slots(execution: Execution, due: list[datetime]) -> Execution:
    """Return the queued execution with the slots that came due while it waited for a cap."""
    return replace(
        execution,
        coalesced=execution.coalesced + len(due),
        coalesced_from=execution.coalesced_from or execution.slot or due[0],
        coalesced_to=due[-1],
    )


def skipped(job: Job, due: list[datetime], now: datetime, *, reason: str) -> Execution:
    """Return one record that settles all these slots without a process."""
    return left_out(for_slots(job, due, now, cause=Cause.SCHEDULE), now, reason=reason)


def for_request(job: Job, request: ManualRequest, now: datetime) -> Execution:
    """Return the queued execution a person asked for; the same request always names the same execution."""
    return Execution(
        id=execution_id(job.key, cause=Cause.MANUAL, what=request.id),
        job=job.key,
        state=State.QUEUED,
        trigger=Cause.MANUAL,
        queued_at=now,
        job_digest=job.digest,
        params=request.params,
        requested_by=request.by,
        retry_of=request.rerun_of,
    )


def for_ends(job: Job, ends: Mapping[str, End], now: datetime) -> Execution:
    """Return the queued execution that follows these ends of other jobs; its slot is the newest of theirs."""
    return Execution(
        id=execution_id(job.key, cause=Cause.AFTER, what=",".join(sorted(end.id for end in ends.values()))),
        job=job.key,
        state=State.QUEUED,
        trigger=Cause.AFTER,
        slot=max((end.slot for end in ends.values() if end.slot), default=None),
        queued_at=now,
        job_digest=job.digest,
        after={key: end.id for key, end in ends.items()},
    )


def left_out(execution: Execution, now: datetime, *, reason: str) -> Execution:
    """Return the record that says that the execution never started."""
    return replace(execution, state=State.SKIPPED, reason=reason, ended_at=now)


def next_attempt(job: Job, failed: Execution, now: datetime) -> Execution:
    """Return the queued execution that tries again what `failed` was for."""
    attempt = failed.attempt + 1
    return Execution(
        id=execution_id(job.key, cause=Cause.RETRY, what=failed.id, attempt=attempt),
        job=job.key,
        state=State.QUEUED,
        trigger=Cause.RETRY,
        slot=failed.slot,
        coalesced_from=failed.coalesced_from,
        coalesced_to=failed.coalesced_to,
        queued_at=now,
        job_digest=job.digest,
        attempt=attempt,
        retry_of=failed.id,
        params=failed.params,
        requested_by=failed.requested_by,
    )


def retry_instant(policy: Retry, execution: Execution) -> datetime | None:
    """Return when a failed execution is tried again, or None: delay * backoff**(attempt - 1), at most max_delay.

    An execution that a person stopped is never tried again. `exit_codes` restricts only failures that have one.
    """
    if execution.state not in FAILURES or execution.attempt > policy.limit or execution.ended_at is None:
        return None
    if policy.exit_codes and execution.exit_code is not None and execution.exit_code not in policy.exit_codes:
        return None
    try:
        wait = min(policy.delay * policy.backoff ** (execution.attempt - 1), policy.max_delay)
    except OverflowError:
        wait = policy.max_delay
    return execution.ended_at + timedelta(milliseconds=round(wait / timedelta(milliseconds=1)))
