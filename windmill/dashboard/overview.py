"""/: everything at once, as the store knows it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import present
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age

LAST_FAILURES: Final = 10

blueprint = APIBlueprint("overview", __name__, enable_openapi=False)
blueprint.add_app_template_filter(present.state_word, "state_word")
blueprint.add_app_template_filter(present.glyph, "glyph")


@blueprint.get("/")
def overview() -> str:
    """Show the jobs, what runs, what failed last, and whether the scheduler lives."""
    instant, read = now(), store()
    scheduler, catalog = read.status("scheduler"), read.status("catalog") or {}
    heard = age(scheduler, instant)
    latest = read.latest_executions()
    jobs = [job for job in read.jobs() if not (job.get("deleted") or job.get("system"))]
    failed = read.executions(ExecutionFilter(states=FAILURES), limit=LAST_FAILURES)
    return render_template(
        "overview.html",
        home=facts().home,
        version=facts().version,
        now=instant,
        heard=present.ago(heard) if heard is not None else None,
        alive=heard is not None and heard < SILENT and not (scheduler or {}).get("left"),
        problems=[problem for problem in catalog.get("problems", ()) if problem["severity"] == "error"],
        open=[_execution(one, instant) for one in read.open_executions()],
        failures=[_execution(one, instant) for one in failed.items],
        jobs=[_job(job, latest.get(job["id"]), instant) for job in jobs],
    )


def _execution(document: Document, instant: datetime) -> Document:
    at = from_text(document["started_at"] or document["queued_at"]) or instant
    ended = from_text(document["ended_at"])
    return document | {
        "since": present.ago(instant - at),
        "took": present.span((ended or instant) - at),
        "why": present.why(document),
    }


def _job(job: Document, latest: Document | None, instant: datetime) -> Document:
    due = None if job.get("paused") else facts().next_start(job, instant)
    return {
        "id": job["id"],
        "description": job["description"].strip().split("\n", 1)[0],
        "schedule": job["schedule_words"],
        "flags": [word for word in ("paused", "stale") if job.get(word)] + ([] if job["enabled"] else ["disabled"]),
        "latest": latest and _execution(latest, instant),
        "next": due,
        "next_in": present.ahead(due - instant) if due else "",
    }
