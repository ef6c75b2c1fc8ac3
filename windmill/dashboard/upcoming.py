"""/upcoming: what is going to start, and which slots of the last day were not executed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from apiflask import APIBlueprint
from flask import render_template, request

from windmill.core.documents import Document, from_text
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.core.words import relative
from windmill.dashboard import charts, forecast
from windmill.dashboard.context import facts, now, store

STRETCHES: Final = {1: "Next hour", 24: "Next day", 168: "Next week"}  # by hours
LANES: Final = 100
LISTED: Final = 20  # single starts
MISSED: Final = 20

blueprint = APIBlueprint("upcoming", __name__, enable_openapi=False)


@blueprint.get("/upcoming")
def page() -> str:
    """Show a lane for each job that is due in the hours that the address names, the first to start on top."""
    asked = request.args.get("hours", 24, type=int)
    hours = asked if asked in STRETCHES else 24
    instant, length = now(), timedelta(hours=hours)
    lanes = _lanes(instant, length)
    starts = sorted((due.at, lane.job) for lane in lanes for due in lane.starts[:LISTED])[:LISTED]
    missed = store().executions(
        ExecutionFilter(states=frozenset({State.SKIPPED}), since=instant - timedelta(days=1)), limit=MISSED
    )
    return render_template(
        "upcoming.html",
        stretches=STRETCHES,
        hours=hours,
        marks=forecast.hours(instant, length),
        lanes=[(lane, relative(lane.starts[0].at, instant)) for lane in lanes[:LANES]],
        lane_count=len(lanes),
        starts=[(at, relative(at, instant), job) for at, job in starts],
        missed=[_missed(one, instant) for one in missed.items],
    )


def _lanes(instant: datetime, length: timedelta) -> list[forecast.Lane]:
    jobs = [job for job in store().jobs() if not (job.get("deleted") or job.get("system"))]
    due = {job["id"]: job for job in jobs if next(iter(facts().starts(job, instant)), None)}
    past = store().recent(list(due))
    lanes = (
        forecast.lane(key, facts().starts(job, instant), charts.usual_ms(past.get(key, ())), instant, length)
        for key, job in due.items()
    )
    return sorted(filter(None, lanes), key=lambda lane: (lane.starts[0].at, lane.job))


def _missed(execution: Document, instant: datetime) -> Document:
    slot = from_text(execution["slot"] or execution["queued_at"]) or instant
    return {
        "job": execution["job"],
        "slot": execution["slot"] or execution["queued_at"],
        "since": relative(slot, instant),
        "why": execution["reason"],
        "further": execution["coalesced"],
    }
