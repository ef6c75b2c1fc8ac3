"""Jobs: what is wanted, when it is due, what is counted of it and what it ran."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Annotated, Final

from apiflask import APIBlueprint
from pydantic import Field

from windmill.core.documents import Document, to_text
from windmill.core.errors import Refused
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import catalog, charts, search
from windmill.dashboard.api import models
from windmill.dashboard.api.edge import NAME, PAGE, Flag, Limit, Paged, Query, Text, job_named, matches, mistaken
from windmill.dashboard.context import facts, now, store

blueprint = APIBlueprint("jobs", __name__, tag="Jobs")

DAYS_MAX: Final = 366
STARTS_MAX: Final = 1000


class Search(Query):
    """Which jobs; what is left out does not restrict."""

    q: Text = Field(default="", description="Words of its key, description or owner.")
    project: Text = ""
    state: str | None = Field(
        default=None,
        pattern=f"^({'|'.join(search.STATES)})$",
        description="Of its last execution, or of the job.",
        json_schema_extra={"enum": list(search.STATES)},
    )
    label: Text = Field(default="", description="A name and its value as team=sales.")
    attention: Flag = Field(
        default="0", description="1: only those whose last execution went wrong or file is broken."
    )
    cursor: Text = Field(default="", description="`next` of the page before.")
    limit: Limit = PAGE


class Count(Query):
    """How many starts."""

    count: Annotated[int, Field(ge=1, le=STARTS_MAX)] = 10


class Days(Query):
    """Of which time."""

    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 30


@blueprint.get("/jobs")
@blueprint.input(Search, location="query", arg_name="asked")
@blueprint.output(models.Jobs)
@blueprint.doc(operation_id="listJobs")
def listed(asked: Search) -> Document:
    """List jobs, by key."""
    if asked.cursor and not matches(f"{NAME}/{NAME}", asked.cursor):
        raise mistaken("query", "cursor", "the cursor is none of this list: leave it out to begin again")
    jobs = catalog.jobs()
    latest = catalog.latest(jobs)
    wanted = search.asked(
        asked.model_dump(exclude_none=True, include={"q", "project", "state", "label", "attention"})
    )
    found = [job for job in jobs if job["id"] > asked.cursor and search.meant(wanted, job, latest.get(job["id"]))]
    shown = found[: asked.limit]
    last = store().named([latest[job["id"]]["id"] for job in shown if job["id"] in latest])
    by_job = {execution["job"]: execution for execution in last.values()}
    return {
        "items": [_told(job, by_job.get(job["id"]), catalog.next_start(job)) for job in shown],
        "next": shown[-1]["id"] if len(found) > len(shown) else None,
    }


@blueprint.get("/projects/<project>/jobs/<name>")
@blueprint.output(models.WholeJob)
@blueprint.doc(operation_id="getJob")
def one(project: str, name: str) -> Document:
    """Return one job with its definition, also one whose file is gone."""
    job = job_named(project, name)
    recent = store().recent([job["id"]], limit=1).get(job["id"], ())
    last = store().execution(recent[0]["id"]) if recent else None
    return _told(job, last, None if job["deleted"] else next(iter(facts().starts(job, now())), None))


@blueprint.get("/projects/<project>/jobs/<name>/schedule")
@blueprint.input(Count, location="query", arg_name="asked")
@blueprint.output(models.Schedule)
@blueprint.doc(operation_id="getJobSchedule")
def schedule(project: str, name: str, asked: Count) -> Document:
    """Return when the job is due next."""
    job = job_named(project, name)
    starts = () if job["deleted"] else islice(facts().starts(job, now()), asked.count)
    return {"items": [{"at": to_text(start), "local": start.isoformat()} for start in starts]}


@blueprint.get("/projects/<project>/jobs/<name>/stats")
@blueprint.input(Days, location="query", arg_name="asked")
@blueprint.output(models.Stats)
@blueprint.doc(operation_id="getJobStats")
def stats(project: str, name: str, asked: Days) -> Document:
    """Return what is counted of the job's last days."""
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=asked.days - 1)
    rows = store().tally(job=job_named(project, name)["id"], since=since)
    good, whole = charts.success_rate(rows)
    took = sum(row["duration_ms"] for row in rows if row["state"] == "succeeded")
    return {
        "days": asked.days,
        "since": to_text(since),
        "executions": sum(row["count"] for row in rows if row["state"] != "skipped"),
        "succeeded": good,
        "failed": whole - good,
        "success_rate": good / whole if whole else None,
        "mean_ms": round(took / good) if good else None,
        "items": rows,
    }


@blueprint.get("/projects/<project>/jobs/<name>/revisions")
@blueprint.input(Paged, location="query", arg_name="asked")
@blueprint.output(models.JobRevisions)
@blueprint.doc(operation_id="listJobRevisions")
def revisions(project: str, name: str, asked: Paged) -> Document:
    """List what the job's executions ran, newest first."""
    wanted = ExecutionFilter(job=job_named(project, name)["id"])
    try:
        page = store().executions(wanted, limit=asked.limit, cursor=asked.cursor or None)
    except Refused as error:
        raise mistaken("query", "cursor", error.message) from None
    return {"items": _in_a_row(page.items), "next": page.next}


def _in_a_row(newest_first: Iterable[Document]) -> list[Document]:
    found = []
    for (revision, digest), alike in groupby(newest_first, lambda one: (one["revision"], one["job_digest"])):
        newest, *older = alike
        found.append(
            {
                "revision": revision,
                "author": newest["author"],
                "subject": newest["subject"],
                "job_digest": digest,
                "first_at": (older or [newest])[-1]["queued_at"],
                "last_at": newest["queued_at"],
                "executions": 1 + len(older),
            }
        )
    return found


def _told(job: Document, last: Document | None, due: datetime | None) -> Document:
    return job | {"attention": search.needs_attention(job, last), "next": to_text(due), "last": last}
