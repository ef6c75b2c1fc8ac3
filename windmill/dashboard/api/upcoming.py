"""What is going to start."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Final

from apiflask import APIBlueprint
from pydantic import Field

from windmill.core.documents import Document, to_text
from windmill.dashboard import catalog, charts
from windmill.dashboard.api import models
from windmill.dashboard.api.edge import Query
from windmill.dashboard.context import facts, now, store

blueprint = APIBlueprint("upcoming", __name__, tag="Upcoming")

WEEK: Final = 168  # hours
LISTED_MAX: Final = 1000


class Hours(Query):
    """Of which time."""

    hours: Annotated[int, Field(ge=1, le=WEEK)] = 24
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = 200


@blueprint.get("/upcoming")
@blueprint.input(Hours, location="query", arg_name="asked")
@blueprint.output(models.Upcoming)
@blueprint.doc(operation_id="listUpcoming")
def listed(asked: Hours) -> Document:
    """List what is going to start in the next hours."""
    instant, end = now(), now() + timedelta(hours=asked.hours)
    first = ((at, job["id"], job) for at, job in catalog.due_next(catalog.jobs()) if at < end)
    jobs = [job for _, _, job in heapq.nsmallest(asked.limit + 1, first, key=lambda one: one[:2])]  # no other's comes
    due = list(islice(heapq.merge(*(_starts(job, instant, end) for job in jobs)), asked.limit + 1))
    if len(due) > asked.limit:
        end = due.pop()[0]
    past = store().recent(sorted({key for _, key in due}))
    usual = {key: charts.usual_ms(executions) for key, executions in past.items()}
    items = [{"at": to_text(at), "job": key, "expected_ms": usual.get(key)} for at, key in due]
    return {"items": items, "until": to_text(end)}


def _starts(job: Document, instant: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    for at in facts().starts(job, instant):
        if at >= end:
            return
        yield at, job["id"]
