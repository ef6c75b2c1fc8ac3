"""/upcoming: what is going to start, and which slots of the last day were not executed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from apiflask import APIBlueprint
from flask import render_template, request

from windmill.core.documents import Document, from_text
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import catalog, charts, forecast
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.words import relative

STRETCHES: Final = {1: "Next hour", 24: "Next day", 168: "Next week"}  # by hours
LANES: Final = 50
LISTED: Final = 20  # single starts
MISSED: Final = 20

blueprint = APIBlueprint("upcoming", __name__, enable_openapi=False)


@blueprint.get("/upcoming")
def page() -> str:
    """Show a lane for each job that is due in the hours that the address names, the first to start on top."""
    asked = request.args.get("hours", 24, type=int)
    hours = asked if asked in STRETCHES else 24
    instant, length = now(), timedelta(hours=hours)
    due = _due(instant + length)
    lanes = _lanes(due[:LANES], instant, length)
    starts = sorted((one.at, lane.job) for lane in lanes for one in lane.starts[:LISTED])[:LISTED]
    missed = store().executions(
        ExecutionFilter(states=frozenset({State.SKIPPED}), since=instant - timedelta(days=1)), limit=MISSED
    )
    return render_template(
        "upcoming.html",
        stretches=STRETCHES,
        hours=hours,
        marks=forecast.hours(instant, length),
        lanes=[(lane, relative(lane.starts[0].at, instant)) for lane in lanes],
        later_count=len(due) - len(lanes),
        starts=[(at, relative(at, instant), job) for at, job in starts],
        missed=[_missed(one, instant) for one in missed.items],
    )


def _due(end: datetime) -> list[Document]:
    """Return the jobs that start before `end`, the first to start first."""
    found = []
    for job in catalog.jobs():
        first = catalog.next_start(job)
        if first and first < end:
            found.append((first, job["id"], job))
    return [job for _, _, job in sorted(found, key=lambda one: one[:2])]


def _lanes(jobs: list[Document], instant: datetime, length: timedelta) -> list[forecast.Lane]:
    past = store().recent([job["id"] for job in jobs])
    lanes = (
        forecast.lane(
            job["id"], facts().starts(job, instant), charts.usual_ms(past.get(job["id"], ())), instant, length
        )
        for job in jobs
    )
    return list(filter(None, lanes))


def _missed(execution: Document, instant: datetime) -> Document:
    slot = from_text(execution["slot"] or execution["queued_at"]) or instant
    return {
        "job": execution["job"],
        "slot": execution["slot"] or execution["queued_at"],
        "since": relative(slot, instant),
        "why": execution["reason"],
        "further": execution["coalesced"],
    }
