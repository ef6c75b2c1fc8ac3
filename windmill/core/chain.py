"""Jobs after jobs: what a job may know of those it comes after, and what follows from it. Pure.

Nobody is sent a message that could be lost: a job looks at how the last execution of each upstream ended, and at how
far in time the upstream is settled. An end counts when it is final: no other attempt follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from windmill.core.events import Definition, Upstream
from windmill.core.model import FAILURES, State, When
from windmill.core.settling import next_slot
from windmill.core.state import End, JobState

Look = Callable[[str], tuple[Definition, JobState] | None]  # None for a job that is not there, or not known yet

UNSETTLED: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before every slot
_WORDS: Final = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.LOST: "was lost",
    State.STOPPED: "was stopped",
    State.SKIPPED: "was blocked",
    State.SUCCEEDED: "succeeded",
}


def upstreams(definition: Definition, look: Look) -> tuple[Upstream, ...]:
    """Return what the job may know of the jobs it comes after, in the order of its file."""
    found = []
    for after in definition.job.after if definition.job else ():
        known = look(after.job)
        if known is None:
            found.append(Upstream(after.job, after.when, UNSETTLED))
        else:
            found.append(Upstream(after.job, after.when, settled(after.job, look), known[1].last, known[1].passed))
    return tuple(found)


def settled(key: str, look: Look, seen: frozenset[str] = frozenset()) -> datetime | None:
    """Return the instant before which nothing of the job is open or owed any more; None where nothing ever is."""
    known = look(key)
    if known is None or key in seen:
        return UNSETTLED
    definition, state = known
    bounds = [next_slot(definition, state) if definition.job and definition.job.enabled else None]
    if state.open is not None:
        bounds.append(state.open.coalesced_from or state.open.slot)
    if state.retry is not None:
        bounds.append(state.retry.of.slot)
    if definition.job is not None and definition.job.schedule is None:
        above = upstreams(definition, look) if key not in seen else ()
        bounds += [settled(one.key, look, seen | {key}) for one in above]
        bounds += [one.last.slot for one in above if one.last and state.taken.get(one.key) not in {None, one.last.id}]
    return min((bound for bound in bounds if bound is not None), default=None)


def ready_until(above: Iterable[Upstream]) -> datetime | None:
    """Return the instant before which slots of a job after these can be judged, None for no bound."""
    bounds = [UNSETTLED if one.last is None else one.until for one in above]
    return min((bound for bound in bounds if bound is not None), default=None)


def arrived(state: JobState, above: tuple[Upstream, ...]) -> bool:
    """Return whether every upstream has come to an end that the job has not answered to."""
    return bool(above) and all(one.last and state.taken.get(one.key, one.last.id) != one.last.id for one in above)


def adopt(state: JobState, above: Iterable[Upstream]) -> JobState:
    """Return the state in which what happened before the job knew an upstream counts as answered to."""
    taken = {
        one.key: state.taken.get(one.key, one.last.id if one.last else "")
        for one in above
        if one.key in state.taken or one.until != UNSETTLED
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
        if slot is not None and passed is not None and _newer(passed, one.last) and _within(passed, after, slot):
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


def _newer(one: End, other: End) -> bool:
    return (one.slot or one.at) > (other.slot or other.at)


def _within(one: End, after: datetime | None, slot: datetime) -> bool:
    return one.slot is not None and one.slot <= slot and (after is None or one.slot > after)
