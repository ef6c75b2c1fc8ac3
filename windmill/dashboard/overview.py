"""/: everything at once, as the store knows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES
from windmill.core.ports import ExecutionFilter
from windmill.core.words import relative, span
from windmill.dashboard import present
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age

LAST_FAILURES: Final = 10
SHOWN: Final = 50  # problems, and open executions; beyond them their number says enough

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
    problems = [problem for problem in catalog.get("problems", ()) if problem["severity"] == "error"]
    unfinished = read.open_executions()
    return render_template(
        "overview.html",
        home=facts().home,
        version=facts().version,
        now=instant,
        heard=relative(instant - heard, instant) if heard is not None else None,
        alive=heard is not None and heard < SILENT and not (scheduler or {}).get("left"),
        left=bool(scheduler and scheduler.get("left")),
        problems=problems[:SHOWN],
        problem_count=len(problems),
        open=[_execution(one, instant) for one in unfinished[:SHOWN]],
        open_count=len(unfinished),
        failures=[_execution(one, instant) for one in failed.items],
        jobs=sorted((_job(job, latest.get(job["id"]), instant) for job in jobs), key=_urgency),
    )


def _urgency(job: Document) -> tuple[bool, str]:
    """Sort those first whose last execution went wrong."""
    return not (job["latest"] and job["latest"]["state"] in FAILURES), job["id"]


def _execution(document: Document, instant: datetime) -> Document:
    at = from_text(document["started_at"] or document["queued_at"]) or instant
    ended = from_text(document["ended_at"])
    return document | {
        "since": relative(at, instant),
        "took": span(max((ended or instant) - at, timedelta(0))),
        "why": present.why(document),
    }


def _job(job: Document, latest: Document | None, instant: datetime) -> Document:
    due = facts().next_start(job, instant)
    return {
        "id": job["id"],
        "description": job["description"].strip().split("\n", 1)[0],
        "schedule": job["schedule_words"],
        "flags": [word for word in ("paused", "stale") if job.get(word)] + ([] if job["enabled"] else ["disabled"]),
        "latest": latest and _execution(latest, instant),
        "next": due,
        "next_in": relative(due, instant) if due else "",
    }
