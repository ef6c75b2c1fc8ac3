"""Jobs after jobs: what a job may know of those it comes after, and what follows from it. Pure.

Nobody is sent a message that could be lost: a job looks at how the last execution of each upstream ended, and at how
far in time the upstream is settled. An end counts when it is final: no other attempt follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from windmill.core.events import Definition, Upstream
from windmill.core.model import FAILURES, Job, State, When
from windmill.core.settling import next_slot
from windmill.core.state import End, JobState, newer

UNSETTLED: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before every slot
_WORDS: Final = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.LOST: "was lost",
    State.STOPPED: "was stopped",
    State.SKIPPED: "was blocked",
    State.SUCCEEDED: "succeeded",
}


class Outlook(NamedTuple):
    """What the jobs after one may know of it; see Upstream."""

    until: datetime | None
    last: End | None = None
    passed: End | None = None
    known: bool = True


NOT_THERE: Final = Outlook(UNSETTLED, known=False)  # of a job that is not there, or not known yet


def upstreams(job: Job, look: Callable[[str], Outlook]) -> tuple[Upstream, ...]:
    """Return what the job may know of the jobs it comes after, in the order of its file."""
    return tuple(Upstream(above.job, above.when, *look(above.job)) for above in job.after)


def outlook(definition: Definition, state: JobState) -> Outlook:
    """Return what the jobs after this one may know of it; `definition` knows of those before it."""
    return Outlook(_settled(definition, state), state.last, state.passed)


def _settled(definition: Definition, state: JobState) -> datetime | None:
    """Return the instant before which nothing of the job is open or owed any more; None where nothing ever is."""
    job, bounds = definition.job, list[datetime | None]()
    for owed in (state.open, state.retry.of if state.retry else None):
        if owed is not None:
            bounds.append(owed.coalesced_from or owed.slot)
    if job is not None and job.enabled:
        bounds.append(next_slot(definition, state))
        if job.schedule is None:
            bounds += [one.until for one in definition.upstreams]
            bounds += [one.last.slot for one in definition.upstreams if one.last and not _answered(state, one)]
    return min((bound for bound in bounds if bound is not None), default=None)


def ready_until(above: Iterable[Upstream]) -> datetime | None:
    """Return the instant before which slots of a job after these can be judged, None for no bound."""
    bounds = [UNSETTLED if one.last is None else one.until for one in above]
    return min((bound for bound in bounds if bound is not None), default=None)


def arrived(state: JobState, above: tuple[Upstream, ...]) -> bool:
    """Return whether every upstream has come to an end that the job has not answered to."""
    return bool(above) and all(one.last is not None and not _answered(state, one) for one in above)


def _answered(state: JobState, one: Upstream) -> bool:
    """True for an end that was answered to, and for what happened before the job knew the upstream."""
    return one.last is None or state.taken.get(one.key, one.last.id) == one.last.id


def adopt(state: JobState, above: Iterable[Upstream]) -> JobState:
    """Return the state in which what happened before the job knew an upstream counts as answered to."""
    taken = {
        one.key: state.taken.get(one.key, one.last.id if one.last else "")
        for one in above
        if one.key in state.taken or one.known
    }
    return state if taken == state.taken else replace(state, taken=taken)


def mistakes(
    above: Iterable[Upstream], *, after: datetime | None, slot: datetime | None
) -> Iterator[tuple[When, str]]:
    """Yield, for each upstream that did not end as it must, how it must, and in words what it did.

    With a `slot`, an upstream whose own slot in (after, slot] was settled without an execution did not run either.
    """
    for one in above:
        if one.last is None:
            continue
        passed = one.passed
        if slot is not None and passed is not None and newer(passed, one.last) and _within(passed, after, slot):
            yield When.SUCCESS, f"{one.key} was skipped ({passed.reason})"
        elif not meets(one.last.state, one.when):
            yield one.when, f"{one.key} {_WORDS[one.last.state]} ({one.last.id})"


def meets(state: State, when: When) -> bool:
    """Return whether a job that ended so lets one start that comes after it `when`."""
    if when is When.ANY:
        return True
    return state is State.SUCCEEDED if when is When.SUCCESS else state in FAILURES


def cycles(after: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Return every circle among the jobs, by the keys of those they come after; each begins with its first key."""
    found: dict[frozenset[str], tuple[str, ...]] = {}
    done: set[str] = set()
    for start in sorted(after):
        path: list[str] = []
        waiting = [(start, False)]
        while waiting:
            key, leaving = waiting.pop()
            if leaving:
                done.add(path.pop())
            elif key in path:
                circle = path[path.index(key) :]
                first = circle.index(min(circle))
                found.setdefault(frozenset(circle), (*circle[first:], *circle[:first]))
            elif key not in done and key in after:
                path.append(key)
                waiting.append((key, True))
                waiting += [(above, False) for above in sorted(after[key], reverse=True)]
    return sorted(found.values())


def _within(one: End, after: datetime | None, slot: datetime) -> bool:
    """True where one of the slots in a row that nothing was executed for lies in (after, slot]."""
    return one.slot is not None and (one.since or one.slot) <= slot and (after is None or one.slot > after)
