"""/: at one glance what runs, what failed, what is next and what is wrong; then the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template, request

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import catalog, charts, present, search, waiting
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.schedules import schedule_words
from windmill.dashboard.words import relative, span

FIRST: Final = 5  # of each sort; pages of their own have the rest
OPEN: Final = 8  # executions; beyond them their number says enough
JOBS_SHOWN: Final = 50  # on one page
DAY: Final = timedelta(days=1)

blueprint = APIBlueprint("overview", __name__, enable_openapi=False)


@blueprint.get("/")
def overview() -> str:
    """Show the jobs that the address asks for, what runs, what failed last, and what is wrong with files."""
    instant, read = now(), store()
    jobs = catalog.jobs()
    latest = catalog.latest(jobs)
    unfinished = read.open_executions()
    problems = [
        problem for problem in (read.status("catalog") or {}).get("problems", ()) if problem["severity"] == "error"
    ]
    failed = read.executions(ExecutionFilter(states=FAILURES, since=instant - DAY), limit=FIRST)
    return render_template(
        "overview.html",
        **_list(jobs, latest),
        problems=problems[:FIRST],
        problem_count=len(problems),
        open=_running(unfinished[:OPEN], instant),
        open_count=len(unfinished),
        failed_count=sum(row["count"] for row in read.tally(since=instant - DAY) if row["state"] in FAILURES),
        failures=[lately(one, instant) for one in failed.items],
        next_starts=[(due, relative(due, instant), job["id"]) for due, job in _next(jobs)],
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


def _running(executions: Sequence[Document], instant: datetime) -> list[Document]:
    """Return the executions with how long they run and, where it is known, usually do."""
    past = store().recent([one["job"] for one in executions]) if executions else {}
    found, lines = [], waiting.lines() if executions else {}
    for one in executions:
        started = from_text(one["started_at"])
        usual = charts.usual_ms(past.get(one["job"], ())) if started else None
        so_far = (instant - started) / timedelta(milliseconds=1) if started else 0
        found.append(
            lately(one, instant)
            | {"usual_ms": usual, "so_far_ms": round(max(so_far, 0)), "line": lines.get(one["id"])}
        )
    return found


def _next(jobs: Sequence[Document]) -> list[tuple[datetime, Document]]:
    """Return the jobs that start next, the first one first."""
    return nsmallest(FIRST, catalog.due_next(jobs), key=lambda one: (one[0], one[1]["id"]))


def flags(job: Document) -> list[str]:
    """Return in single words what keeps the job from running as its file says."""
    return [word for word in ("paused", "stale") if job.get(word)] + ([] if job["enabled"] else ["disabled"])


def _list(jobs: Sequence[Document], latest: dict[str, Document]) -> dict[str, Any]:
    """Return the page of the list that the address asks for, and what can be chosen from."""
    wanted = search.asked(request.args)
    gone = [job for job in catalog.all_jobs() if job.get("deleted") and "document" in job and not job.get("system")]
    if wanted.deleted:
        jobs, latest = gone, catalog.latest(gone)
    found = [job for job in jobs if search.meant(wanted, job, latest.get(job["id"]))]
    found.sort(key=lambda job: (not search.needs_attention(job, latest.get(job["id"])), job["id"]))
    number = max(request.args.get("page", 1, type=int), 1)
    shown = found[(number - 1) * JOBS_SHOWN : number * JOBS_SHOWN]
    past = store().recent([job["id"] for job in shown])
    last = store().named([latest[job["id"]]["id"] for job in shown if job["id"] in latest])
    whole = {one["job"]: one for one in last.values()}
    return {
        "wanted": wanted,
        "jobs": [_row(job, whole.get(job["id"]), past.get(job["id"], [])) for job in shown],
        "job_count": len(jobs),
        "deleted_count": 0 if wanted else len(gone),
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
    due = None if job["deleted"] else catalog.next_start(job)
    return {
        "project": job["project"],
        "name": job["name"],
        "params": job.get("params"),
        "enabled": job["enabled"] and not job["deleted"],
        "description": job["description"].strip().split("\n", 1)[0],
        "schedule": schedule_words(job, facts().schedule(job)),
        "flags": flags(job),
        "removed": job.get("removed") if job["deleted"] else None,
        "attention": search.needs_attention(job, latest),
        "latest": latest and lately(latest, instant),
        "next": due,
        "next_in": relative(due, instant) if due else "",
        "bars": charts.bars(past),
    }
