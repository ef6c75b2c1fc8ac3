"""What the scheduler knows of one job between two decisions: one instant, and what is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document, from_document, from_text, to_document, to_text
from windmill.core.model import SCHEDULED, TERMINAL, Cause, Execution, State, execution_id

BLOCKED: Final = "blocked"  # how the reason begins of what was not started because of its upstreams
COALESCED: Final = "coalesced"  # the reason of slots that a later one stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A bounded or unbounded halt of a job's slots, with who asked for it and why."""

    until: datetime | None = None
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """What an earlier execution ran, wanted again: its definition as it is stored, and the name of its revision.

    `revision` is None where the code is used in place.
    """

    definition: Document
    revision: str | None = None

    @property
    def digest(self) -> str:
        """The digest of the job as it was defined then."""
        return str(self.definition["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRetry:
    """Another attempt of the failed execution `of`, wanted at `at`."""

    at: datetime
    of: Execution
    exact: Exact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualRequest:
    """A person's wish to start a job: `id` names the request, and so the execution."""

    id: str
    by: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    rerun_of: str | None = None
    exact: Exact | None = None  # None: the job as it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How something of a job came to its end, for the jobs after it: an execution, or a slot without one."""

    id: str
    state: State
    slot: datetime | None
    at: datetime
    reason: str = ""
    since: datetime | None = None  # of slots without an execution: the first of those in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """One job's state. `covered` is the newest settled slot, or the instant before which there are none.

    `open` is the one execution that is queued or running; read back from the journal it may have ended without
    anybody having decided what follows. `schedule` is the text of the schedule that `covered` belongs to, "" while
    the job has none, so that a changed schedule owes no slots of the past. `ordered` says that the start of `open`
    was ordered and not yet confirmed by the runner; it is never persisted, because orders die with the scheduler.
    """

    key: str
    first_seen: datetime
    covered: datetime
    schedule: str = ""
    runs: int = 0  # slots started so far, for max_runs
    skip_until: datetime | None = None  # slots up to it are skipped, for skip_reason
    skip_reason: str = ""
    catch_up_until: datetime | None = None  # slots up to it were missed and are wanted by catch_up
    open: Execution | None = None
    exact: Exact | None = None  # what `open` runs where that is not the job as it stands
    ordered: bool = False
    retry: PendingRetry | None = None
    waiting: ManualRequest | None = None
    paused: Pause | None = None
    last: End | None = None  # its newest execution that no other attempt follows
    passed: End | None = None  # its newest slot that nothing was executed for
    taken: Mapping[str, str] = field(default_factory=dict)  # by upstream, the id of the `last` it answered to
    held: datetime | None = None  # slots up to it came due in sight; those not settled wait for upstreams


def state_to_document(state: JobState) -> Document:
    """Return the state as a JSON-ready document; empty fields are left out."""
    document: Document = {
        "key": state.key,
        "first_seen": to_text(state.first_seen),
        "covered": to_text(state.covered),
        "schedule": state.schedule,
        "runs": state.runs,
    }
    if state.skip_until:
        document |= {"skip_until": to_text(state.skip_until), "skip_reason": state.skip_reason}
    if state.catch_up_until:
        document["catch_up_until"] = to_text(state.catch_up_until)
    if state.open:
        document["open"] = to_document(state.open)
    if state.exact:
        document["exact"] = asdict(state.exact)
    if state.retry:
        document["retry"] = {"at": to_text(state.retry.at), "of": to_document(state.retry.of)} | _exact(state.retry)
    if state.waiting:
        waiting = state.waiting
        document["waiting"] = {
            "id": waiting.id,
            "by": waiting.by,
            "params": dict(waiting.params),
            "rerun_of": waiting.rerun_of,
        } | _exact(waiting)
    if state.paused:
        pause = state.paused
        document["paused"] = {"until": to_text(pause.until), "by": pause.by, "note": pause.note}
    return document | _links(state)


def state_from_document(document: Document) -> JobState:
    """Return the state written by `state_to_document`."""
    retry, waiting, pause = document.get("retry"), document.get("waiting"), document.get("paused")
    return JobState(
        key=document["key"],
        first_seen=_instant(document["first_seen"]),
        covered=_instant(document["covered"]),
        schedule=document["schedule"],
        runs=document["runs"],
        skip_until=from_text(document.get("skip_until")),
        skip_reason=document.get("skip_reason", ""),
        catch_up_until=from_text(document.get("catch_up_until")),
        open=from_document(document["open"]) if "open" in document else None,
        exact=_exact_from(document),
        retry=PendingRetry(at=_instant(retry["at"]), of=from_document(retry["of"]), exact=_exact_from(retry))
        if retry
        else None,
        waiting=ManualRequest(**{**waiting, "exact": _exact_from(waiting)}) if waiting else None,
        paused=Pause(until=from_text(pause["until"]), by=pause["by"], note=pause["note"]) if pause else None,
        last=_final(document.get("last")),
        passed=_final(document.get("passed")),
        taken=document.get("taken", {}),
        held=from_text(document.get("held")),
    )


def _links(state: JobState) -> Document:
    """Return what the jobs before and after it need."""
    ends = {name: end for name in ("last", "passed") if (end := getattr(state, name))}
    document: Document = {
        name: asdict(end) | {part: to_text(getattr(end, part)) for part in ("slot", "at", "since")}
        for name, end in ends.items()
    }
    if state.held:
        document["held"] = to_text(state.held)
    return document | ({"taken": dict(state.taken)} if state.taken else {})


def _final(document: Document | None) -> End | None:
    if document is None:
        return None
    known = {
        "state": State(document["state"]),
        "slot": from_text(document["slot"]),
        "at": _instant(document["at"]),
        "since": from_text(document.get("since")),
    }
    return End(**{**document, **known})


def _exact(wish: PendingRetry | ManualRequest) -> Document:
    return {"exact": asdict(wish.exact)} if wish.exact else {}


def _exact_from(document: Document) -> Exact | None:
    return Exact(**document["exact"]) if "exact" in document else None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def absorb(state: JobState, execution: Execution) -> JobState:
    """Return the state after a recorded fact about the job, without deciding anything.

    Applying a fact again changes nothing, and any order that journals can hold leads to the same state. A terminal
    execution stays `open` until somebody decides what follows.
    """
    changes: dict[str, Any] = {}
    settled = max(filter(None, (execution.slot, execution.coalesced_to)), default=state.covered)
    fresh = execution.trigger in SCHEDULED and settled > state.covered
    if fresh:
        changes["covered"] = settled
        if execution.state is not State.SKIPPED:
            changes["runs"] = state.runs + 1
    outdated = state.open is not None and execution.queued_at < state.open.queued_at
    if execution.state in {State.QUEUED, State.RUNNING} and not outdated:
        changes |= {"open": execution, "ordered": False, "exact": _exact_of(state, execution)}
        state = superseded(_followed_by(state, execution), execution)
    elif state.open is None and execution.state is not State.SKIPPED and (fresh or _news(state, execution)):
        changes |= {"open": execution, "exact": _exact_of(state, execution)}  # it ended before it was ever seen open
        state = superseded(state, execution)
    elif state.open is not None and state.open.id == execution.id:
        changes |= {"open": execution, "ordered": False}
    elif _ended_before(state, execution):
        changes["last"] = end_of(execution)
    return linked(replace(state, **changes) if changes else state, execution)


def _followed_by(state: JobState, execution: Execution) -> JobState:
    """Return the state in which an end that nobody judged is final because something else began after it."""
    ended = state.open
    if ended is None or ended.state not in TERMINAL or ended.id in {execution.id, execution.retry_of}:
        return state
    return replace(state, last=end_of(ended))


def _ended_before(state: JobState, execution: Execution) -> bool:
    """True for an end that is read after something else of the job is open: it is final, unless that is its retry."""
    if state.open is None or execution.state not in TERMINAL - {State.SKIPPED} or execution.ended_at is None:
        return False
    return state.open.retry_of != execution.id and (state.last is None or state.last.at < execution.ended_at)


def _news(state: JobState, execution: Execution) -> bool:
    """True for a terminal execution of which the state, written down before it, cannot know."""
    if execution.trigger is Cause.RETRY:
        return state.retry is not None and state.retry.of.id == execution.retry_of
    if execution.trigger is Cause.MANUAL:
        return asked_for(state, execution)
    return any(state.taken.get(key) != end for key, end in execution.after.items())


def superseded(state: JobState, execution: Execution | None = None) -> JobState:
    """Return the state without a pending retry: the failure is final unless this is its next attempt."""
    if state.retry is None:
        return state
    tried = execution is not None and execution.retry_of == state.retry.of.id
    return replace(state, retry=None, last=state.last if tried else end_of(state.retry.of))


def newer(one: End, other: End | None) -> bool:
    """True when one is about a later instant than the other."""
    return other is None or (one.slot or one.at) > (other.slot or other.at)


def linked(state: JobState, execution: Execution) -> JobState:
    """Return the state with what a record says to the jobs before and after its own."""
    changes: dict[str, Any] = {}
    if execution.after:
        changes["taken"] = {**state.taken, **execution.after}
    if execution.state is State.SKIPPED and execution.reason != COALESCED:
        end = end_of(execution)
        if execution.reason.startswith(BLOCKED):
            changes["last"] = end
        else:
            in_a_row = state.passed is not None and newer(state.passed, state.last)
            first = state.passed.since if in_a_row and state.passed else execution.coalesced_from or execution.slot
            changes["passed"] = replace(end, since=first)
    return replace(state, **changes) if changes else state


def end_of(execution: Execution) -> End:
    """Return the end of an execution, or of slots that nothing was executed for."""
    return End(
        id=execution.id,
        state=execution.state,
        slot=execution.coalesced_to or execution.slot,
        at=execution.ended_at or execution.queued_at,
        reason=execution.reason,
    )


def asked_for(state: JobState, execution: Execution) -> bool:
    """True for the execution that the waiting request names."""
    waiting = state.waiting
    return waiting is not None and execution.id == execution_id(state.key, cause=Cause.MANUAL, what=waiting.id)


def _exact_of(state: JobState, execution: Execution) -> Exact | None:
    """Return what the execution runs where that is not the job as it stands: it was open, asked for or a retry."""
    if state.open is not None and state.open.id == execution.id:
        return state.exact
    if state.waiting is not None and asked_for(state, execution):
        return state.waiting.exact
    if state.retry is not None and state.retry.of.id == execution.retry_of and execution.trigger is Cause.RETRY:
        return state.retry.exact
    return None
