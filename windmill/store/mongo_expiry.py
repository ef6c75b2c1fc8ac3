"""Executions that need not be kept, found by index: what must stay first, then what is older, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from pymongo.collection import Collection

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, TERMINAL, State
from windmill.store.mongo_listing import NEWEST_FIRST, OLDEST_FIRST, RAN, one_of

Place = tuple[datetime, str]  # (queued_at, id), the order of everything

_BEFORE_ALL: Final[Place] = (datetime.min.replace(tzinfo=UTC), "")
_AFTER_ALL: Final[Place] = (datetime.max.replace(tzinfo=UTC), "")
_SKIPPED: Final = frozenset({State.SKIPPED})
# Ended executions of which only so many stay, and all that are counted with them.
_SORTS: Final[Mapping[frozenset[State], frozenset[State]]] = {TERMINAL - _SKIPPED: RAN, _SKIPPED: _SKIPPED}
_STAY: Final = (frozenset({State.SUCCEEDED}), FAILURES)  # of each, the newest


def find_expired(
    executions: Collection[Document],
    job: str,
    *,
    before: datetime | None,
    beyond: int | None,
    after: Document | None,
    limit: int,
) -> list[Document]:
    """Return the stored documents that `core.ports.Store.expired` is about.

    Reads the entries of an index that `beyond` counts, and beside them a few more documents than it returns of
    each sort. An execution that ends meanwhile is found by the next call.
    """
    stay = {_newest(executions, job, states)[1] for states in _STAY}
    first = _after(after)
    found: list[Document] = []
    for ended, counted in _SORTS.items():
        last = max(
            (before, "") if before is not None else _BEFORE_ALL,
            _oldest_that_stays(executions, job, counted, beyond) if beyond is not None else _BEFORE_ALL,
        )
        left = limit + len(stay)
        for stretch in _stretches(first, last):
            wanted = {"job": job, "state": one_of(ended), **stretch}
            piece = list(executions.find(wanted, sort=OLDEST_FIRST, limit=left))
            found += piece
            left -= len(piece)
            if left <= 0:
                break
    return sorted((one for one in found if one["_id"] not in stay), key=_place)[:limit]


def _stretches(first: Place, last: Place) -> Iterator[Document]:
    """Yield conditions, oldest stretch first, that match what lies between the two places, each once."""
    if last <= first:
        return
    if first[0] == last[0]:
        yield {"queued_at": first[0], "_id": {"$gt": first[1], "$lt": last[1]}}
        return
    if first != _BEFORE_ALL:
        yield {"queued_at": first[0], "_id": {"$gt": first[1]}}
    yield {"queued_at": {"$gt": first[0], "$lt": last[0]}}
    if last[1]:
        yield {"queued_at": last[0], "_id": {"$lt": last[1]}}


def _oldest_that_stays(executions: Collection[Document], job: str, states: frozenset[State], count: int) -> Place:
    """Return the place of the last of the newest `count`: before all when there are not so many."""
    return _newest(executions, job, states, skip=count - 1) if count else _AFTER_ALL


def _newest(executions: Collection[Document], job: str, states: frozenset[State], *, skip: int = 0) -> Place:
    """Return the place of the newest of these states, after skipping so many; before all when there is none."""
    wanted = {"job": job, "state": one_of(states)}
    found = executions.find_one(wanted, {"queued_at": 1}, sort=NEWEST_FIRST, skip=skip)
    return _place(found) if found else _BEFORE_ALL


def _place(stored: Document) -> Place:
    return stored["queued_at"], stored["_id"]


def _after(document: Document | None) -> Place:
    instant = from_text(document["queued_at"]) if document else None
    return (instant, document["id"]) if document and instant else _BEFORE_ALL
