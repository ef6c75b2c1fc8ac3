"""Which stretches of which index answer a question about executions: filters and orders for MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.store.listing import place_after

Order = list[tuple[str, int]]

NEWEST_FIRST: Final[Order] = [("queued_at", -1), ("_id", -1)]
OLDEST_FIRST: Final[Order] = [("queued_at", 1), ("_id", 1)]

_ID_LENGTH: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
RAN: Final = frozenset(State) - {State.SKIPPED}


def stretches(wanted: ExecutionFilter, cursor: str | None) -> Iterator[Document]:
    """Yield filters, newest stretch first, that together match what is wanted below the cursor, each once.

    What shares its instant with the cursor's place is a stretch of its own: two seeks in one index, where one
    condition on both fields would be tried on entry after entry. Raises Refused for a cursor that is none of ours.
    """
    rest = _rest(wanted)
    until = wanted.until
    if cursor is not None:
        milliseconds, identity = place_after(cursor)
        instant = _instant(milliseconds)
        if _within(instant, wanted):
            yield {**rest, "queued_at": instant, "_id": {"$lt": identity}}
        until = instant if until is None else min(until, instant)
    bounds = {"$gte": wanted.since, "$lt": until}
    queued_at = {name: bound for name, bound in bounds.items() if bound is not None}
    yield {**rest, "queued_at": queued_at} if queued_at else rest


def one_of(states: Collection[State]) -> Any:
    """Return the condition on `state`; a server reads several states as stretches of one index, merged in order."""
    names = sorted(map(str, states))
    return names[0] if len(names) == 1 else {"$in": names}


def of_ids(prefix: str) -> Any:
    """Return the condition on `_id` for executions whose id starts with the prefix."""
    return prefix if len(prefix) == _ID_LENGTH else {"$gte": prefix, "$lt": prefix + "g"}  # ids are hex digits


def _rest(wanted: ExecutionFilter) -> Document:
    """Return the conditions beside those on time, in the order of the index that answers them."""
    rest: Document = {}
    if wanted.job:
        rest["job"] = wanted.job
    if wanted.project:
        rest["project"] = wanted.project
    if wanted.states or rest:  # the indexes by job and by project go on with the state
        rest["state"] = one_of(wanted.states or frozenset(State))
    if wanted.triggers:
        rest["trigger"] = {"$in": sorted(map(str, wanted.triggers))}
    return rest


def _within(instant: datetime, wanted: ExecutionFilter) -> bool:
    return (wanted.since is None or instant >= wanted.since) and (wanted.until is None or instant < wanted.until)


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
