"""Counts of ended executions by day, from the entries of an index; nothing is kept that could be counted twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pymongo
from pymongo.collection import Collection

from windmill.core.documents import Document
from windmill.core.model import TERMINAL
from windmill.store.listing import instant_of
from windmill.store.mongo_listing import one_of

_SECONDS: Final = 10  # that a server may take: about a million entries a second
_GROUPS: Final[list[dict[str, Any]]] = [
    {
        "$group": {
            "_id": {"day": {"$dateToString": {"format": "%Y-%m-%d", "date": "$queued_at"}}, "state": "$state"},
            "count": {"$sum": 1},
            "duration_ms": {"$sum": "$duration_ms"},
        }
    },
    {"$sort": {"_id": 1}},
]


def tally(
    executions: Collection[Document], *, job: str, project: str, since: datetime | None, until: datetime | None
) -> list[Document]:
    """Return {day, state, count, duration_ms} of what was queued in the window, by day and state."""
    wanted: Document = {"job": job} if job else {"project": project} if project else {}
    wanted["state"] = one_of(TERMINAL)
    begin = instant_of(0) if since is None else since
    wanted["queued_at"] = {"$gte": begin} if until is None else {"$gte": begin, "$lt": until}
    with pymongo.timeout(_SECONDS):
        found = list(executions.aggregate([{"$match": wanted}, *_GROUPS]))
    return [{**one["_id"], "count": one["count"], "duration_ms": one["duration_ms"]} for one in found]
