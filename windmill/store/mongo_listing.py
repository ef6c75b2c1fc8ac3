"""Which stretches of which index answer a question about executions: filters and orders for MongoDB."""

from __future__ import annotations

import re
from collections.abc import Collection as Some
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pymongo.collection import Collection

from windmill.core.documents import Document
from windmill.core.model import State
from windmill.store.listing import LOOKED_THROUGH, NEWEST, Search, instant_of

Order = list[tuple[str, int]]

NEWEST_FIRST: Final[Order] = [("queued_at", -1), ("_id", -1)]
OLDEST_FIRST: Final[Order] = [("queued_at", 1), ("_id", 1)]

FAILURE: Final = "failure.fingerprint"

_ID_LENGTH: Final = 16
RAN: Final = frozenset(State) - {State.SKIPPED}


def stretches(search: Search) -> Iterator[Document]:
    """Yield filters, newest stretch first, that together match what is searched, each once.

    What shares its instant with the place below which it lies is a stretch of its own: two seeks in one index,
    where one condition on both fields would be tried on entry after entry.
    """
    if search.jobs is not None and not search.jobs:
        return
    conditions = {**_led(search), **_tried(search)}
    since = search.wanted.since
    if search.below == NEWEST:
        yield {**conditions, **_between(since, {})}
        return
    instant, identity = instant_of(search.below[0]), search.below[1]
    if identity and (since is None or instant >= since):
        yield {**conditions, "queued_at": instant, "_id": {"$lt": identity}}
    yield {**conditions, **_between(since, {"$lt": instant})}


def find_horizon(
    executions: Collection[Document], search: Search, *, entries: int = LOOKED_THROUGH
) -> datetime | None:
    """Return down to which instant a page looks, None when it may look through all there is."""
    if not search.tries or (search.jobs is not None and not search.jobs):
        return None
    milliseconds, identity = search.below
    below = {} if search.below == NEWEST else {"$lte" if identity else "$lt": instant_of(milliseconds)}
    wanted = {**_led(search), **_between(search.wanted.since, below)}
    found = executions.find_one(wanted, {"_id": False, "queued_at": True}, sort=NEWEST_FIRST, skip=entries)
    return found["queued_at"] if found else None


def one_of(states: Some[str]) -> Any:
    """Return the condition on a field; a server reads several values as stretches of one index, merged in order."""
    names = sorted(map(str, states))
    return names[0] if len(names) == 1 else {"$in": names}


def of_ids(prefix: str) -> Any:
    """Return the condition on `_id` for executions whose id starts with the prefix."""
    return prefix if len(prefix) == _ID_LENGTH else {"$gte": prefix, "$lt": prefix + "g"}  # ids are hex digits


def _led(search: Search) -> Document:
    """Return the conditions that lead to a stretch of an index, in the order of its fields."""
    wanted = search.wanted
    if search.led_by_jobs:
        return {"job": one_of(search.jobs or ()), "state": one_of(search.states)}
    if search.led_by_time:
        return {}
    if wanted.project:
        return {"project": wanted.project, "state": one_of(search.states)}
    return {"state": one_of(search.states)} if wanted.states else {}


def _tried(search: Search) -> Document:
    """Return the conditions that are tried on entries of the index."""
    wanted, tried = search.wanted, Document()
    if search.led_by_time:
        if search.jobs is not None:
            tried["job"] = one_of(search.jobs)
        elif wanted.project:
            tried["job"] = {"$gt": f"{wanted.project}/", "$lt": f"{wanted.project}0"}  # what follows the slash
        if wanted.states:
            tried["state"] = one_of(search.states)
    if wanted.triggers:
        tried["trigger"] = {"$in": sorted(map(str, wanted.triggers))}
    if wanted.longer_than is not None:
        tried["duration_ms"] = {"$gte": search.longer_than_ms}
    if wanted.revision:
        escaped = re.escape(wanted.revision)
        tried["revision"] = {"$regex": f"^{escaped}$|:{escaped}"}
    if wanted.failure:
        tried[FAILURE] = wanted.failure
    return tried


def _between(since: datetime | None, below: Mapping[str, datetime]) -> Document:
    bounds = {**({} if since is None else {"$gte": since}), **below}
    return {"queued_at": bounds} if bounds else {}
