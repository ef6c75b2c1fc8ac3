"""What pages ask of a MongoDB database beside lists: the last executions of jobs, neighbours, and like failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pymongo
from pymongo.collection import Collection

from windmill.core.documents import Document
from windmill.core.model import FAILURES
from windmill.core.ports import FAILURES_COUNTED
from windmill.store.documents import returned
from windmill.store.listing import instant_of
from windmill.store.mongo_listing import FAILURE, NEWEST_FIRST, OLDEST_FIRST, RAN, Order, one_of

_BRIEF: Final = ("state", "queued_at", "duration_ms")  # entries of an index alone are read for these
_MANY: Final = 100  # jobs that are sought one by one
_NEWEST: Final = 20_000  # executions, whose entries a server reads in some hundredths of a second
_NEWEST_OF_EACH: Final[list[dict[str, Any]]] = [
    {"$sort": dict(NEWEST_FIRST)},
    {"$limit": _NEWEST},
    {"$match": {"state": one_of(RAN)}},
    {"$group": {"_id": "$job", "id": {"$first": "$_id"}, **{name: {"$first": f"${name}"} for name in _BRIEF}}},
]
_SECONDS: Final = 10
_ALIKE: Final[list[dict[str, Any]]] = [
    {"$sort": dict(NEWEST_FIRST)},
    {"$limit": FAILURES_COUNTED},
    {"$match": {FAILURE: {"$gt": ""}}},
    {
        "$group": {
            "_id": f"${FAILURE}",
            "count": {"$sum": 1},
            "first": {"$last": "$_id"},
            "first_at": {"$last": "$queued_at"},
            "last": {"$first": "$_id"},
            "last_at": {"$first": "$queued_at"},
        }
    },
]


def recent(executions: Collection[Document], jobs: Sequence[str], *, limit: int) -> dict[str, list[Document]]:
    """Return what `core.ports.Store.recent` is about: one seek for each job.

    For the last execution of very many jobs, only for those that have none among the newest of all.
    """
    found = _newest(executions, jobs) if limit == 1 and len(jobs) > _MANY else {}
    for job in jobs:
        if job not in found:
            found[job] = _brief(executions, {"job": job, "state": one_of(RAN)}, NEWEST_FIRST, limit=limit)
    return {job: found[job] for job in jobs if found[job]}


def neighbours(executions: Collection[Document], execution: Document) -> tuple[Document | None, Document | None]:
    """Return the nearest executions of its job before and after this one that were not skipped."""
    before, after = (
        next((one for wanted in nearest for one in _brief(executions, wanted, order, limit=1)), None)
        for order, nearest in _beside(execution)
    )
    return before, after


def failures(
    executions: Collection[Document], job: str, *, since: datetime | None, until: datetime | None
) -> list[Document]:
    """Return what the failures of the job in the window have in common; see `core.ports.Store`."""
    begin = instant_of(0) if since is None else since
    window = {"$gte": begin} if until is None else {"$gte": begin, "$lt": until}
    stages = [{"$match": {"job": job, "state": one_of(FAILURES), "queued_at": window}}, *_ALIKE]
    try:
        with pymongo.timeout(_SECONDS):
            found = list(executions.aggregate(stages))
    except UnicodeEncodeError:  # a key with stray bytes equals nothing that is stored
        return []
    found.sort(key=lambda one: (one["last_at"], one["last"]), reverse=True)
    return [returned({"fingerprint": one.pop("_id"), **one}) for one in found]


def _newest(executions: Collection[Document], jobs: Sequence[str]) -> dict[str, list[Document]]:
    last = {one["_id"]: [_shown(one)] for one in executions.aggregate(_NEWEST_OF_EACH)}
    return {job: last[job] for job in jobs if job in last}


def _brief(executions: Collection[Document], wanted: Document, order: Order, *, limit: int) -> list[Document]:
    try:
        found = list(executions.find(wanted, _BRIEF, sort=order, limit=limit))
    except UnicodeEncodeError:  # a key with stray bytes equals nothing that is stored
        return []
    return [_shown({**one, "id": one["_id"]}) for one in found]


def _shown(found: Mapping[str, Any]) -> Document:
    return returned({name: found[name] for name in ("id", *_BRIEF)})


def _beside(execution: Document) -> Iterator[tuple[Order, list[Document]]]:
    """Yield the order and the filters, nearest stretch first, of what lies before and after the execution."""
    instant, identity = datetime.fromisoformat(execution["queued_at"]), execution["id"]
    led = {"job": execution["job"], "state": one_of(RAN)}
    for order, way in ((NEWEST_FIRST, "$lt"), (OLDEST_FIRST, "$gt")):
        yield (
            order,
            [
                {**led, "queued_at": instant, "_id": {way: identity}},
                {**led, "queued_at": {way: instant}},
            ],
        )
