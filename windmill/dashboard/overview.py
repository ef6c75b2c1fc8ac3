"""/: the jobs, those that need somebody first, and what runs and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template, request

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import charts, present, search
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.words import relative, span

FIRST: Final = 5  # failures, and problems; pages of their own have the rest
OPEN: Final = 50  # executions; beyond them their number says enough
JOBS_SHOWN: Final = 100  # on one page
DAY: Final = timedelta(days=1)

blueprint = APIBlueprint("overview", __name__, enable_openapi=False)


@blueprint.get("/")
def overview() -> str:
    """Show the jobs that the address asks for, what runs, what failed last, and what is wrong with files."""
    instant, read = now(), store()
    latest = read.latest_executions()
    jobs = [job for job in read.jobs() if not (job.get("deleted") or job.get("system"))]
    unfinished = read.open_executions()
    problems = [
        problem for problem in (read.status("catalog") or {}).get("problems", ()) if problem["severity"] == "error"
    ]
    failed = read.executions(ExecutionFilter(states=FAILURES), limit=FIRST)
    return render_template(
        "overview.html",
        **_list(jobs, latest),
        problems=problems[:FIRST],
        problem_count=len(problems),
        open=[lately(one, instant) for one in unfinished[:OPEN]],
        open_count=len(unfinished),
        failed_count=sum(row["count"] for row in read.tally(since=instant - DAY) if row["state"] in FAILURES),
        failures=[lately(one, instant) for one in failed.items],
    )


def lately(document: Document, instant: datetime) -> Document:
    """Return the execution with what a page says of it: since when, how long, why."""
    at = from_text(document["started_at"] or document["queued_at"]) or instant
    ended = from_text(document["ended_at"])
    return document | {
        "since": relative(at, instant),
        "took": span(max((ended or instant) - at, timedelta(0))),
        "why": present.why(document),
    }


def flags(job: Document) -> list[str]:
    """Return in single words what keeps the job from running as its file says."""
    return [word for word in ("paused", "stale") if job.get(word)] + ([] if job["enabled"] else ["disabled"])


def _list(jobs: Sequence[Document], latest: dict[str, Document]) -> dict[str, Any]:
    """Return the page of the list that the address asks for, and what can be chosen from."""
    wanted = search.asked(request.args)
    found = [job for job in jobs if search.meant(wanted, job, latest.get(job["id"]))]
    found.sort(key=lambda job: (not search.needs_attention(job, latest.get(job["id"])), job["id"]))
    number = max(request.args.get("page", 1, type=int), 1)
    shown = found[(number - 1) * JOBS_SHOWN : number * JOBS_SHOWN]
    past = store().recent([job["id"] for job in shown])
    return {
        "wanted": wanted,
        "jobs": [_row(job, latest.get(job["id"]), past.get(job["id"], [])) for job in shown],
        "job_count": len(jobs),
        "found_count": len(found),
        "attention_count": sum(search.needs_attention(job, latest.get(job["id"])) for job in jobs),
        "page": number,
        "more": len(found) > number * JOBS_SHOWN,
        "address": {name: value for name, value in request.args.items() if name != "page"},
        "projects": sorted({job["project"] for job in jobs}),
        "states": search.STATES,
        "labels": sorted({label for job in jobs for label in search.labels(job)}),
    }


def _row(job: Document, latest: Document | None, past: Sequence[Document]) -> Document:
    instant = now()
    due = next(iter(facts().starts(job, instant)), None)
    return {
        "project": job["project"],
        "name": job["name"],
        "description": job["description"].strip().split("\n", 1)[0],
        "schedule": job["schedule_words"],
        "flags": flags(job),
        "attention": search.needs_attention(job, latest),
        "latest": latest and lately(latest, instant),
        "next": due,
        "next_in": relative(due, instant) if due else "",
        "bars": charts.bars(past),
    }
