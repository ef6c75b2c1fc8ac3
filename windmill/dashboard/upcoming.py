"""/upcoming: what is going to start, what ran in the last day, and which of its slots were not executed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template, request
from flask_babel import lazy_gettext

from windmill.core.documents import Document, from_text
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import catalog, charts, forecast
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.words import relative, why

# By hours from now on; those that have passed are negative.
STRETCHES: Final = {
    -24: lazy_gettext("Last day"),
    1: lazy_gettext("Next hour"),
    24: lazy_gettext("Next day"),
    168: lazy_gettext("Next week"),
}
LANES: Final = 50
LISTED: Final = 10  # single starts
OF_ONE: Final = 3  # of them that are of the same job, so that a busy one leaves room for others
MISSED: Final = 20
FOLDED: Final = 200  # skipped executions, of which those alike share a line
DRAWN: Final = 500  # executions of the last day
FORESEEN: Final = 2000  # starts of all lanes: each has to be found out, which takes its time for cron expressions
CROWDS: Final = 3
FOLLOWING: Final = 5  # jobs beneath the one that they follow
DAY: Final = timedelta(days=1)

blueprint = APIBlueprint("upcoming", __name__, enable_openapi=False)


@blueprint.get("/upcoming")
def page() -> str:
    """Show a lane for each job that is due, or ran, in the hours that the address names."""
    asked = request.args.get("hours", 24, type=int)
    hours = asked if asked in STRETCHES else 24
    instant = now()
    skipped = store().executions(
        ExecutionFilter(states=frozenset({State.SKIPPED}), since=instant - DAY), limit=FOLDED
    )
    return render_template(
        "upcoming.html",
        stretches={length: str(name) for length, name in STRETCHES.items()},
        hours=hours,
        marks=forecast.hours(min(instant, instant + timedelta(hours=hours)), abs(timedelta(hours=hours))),
        missed=_missed(skipped.items, instant)[:MISSED],
        more_missed=skipped.next is not None,
        **(_past(instant) if hours < 0 else _future(instant, timedelta(hours=hours))),
    )


def _future(instant: datetime, length: timedelta) -> dict[str, Any]:
    due = _due(instant + length)
    lanes = _lanes(due[:LANES], instant, length)
    then = _then(lanes)
    starts = sorted((one.at, lane.job) for lane in lanes for one in lane.starts[:OF_ONE])[:LISTED]
    room = (store().status("scheduler") or {}).get("max_running")
    return {
        "lanes": [(lane, relative(lane.starts[0].at, instant), then.get(lane.job, ())) for lane in lanes],
        "later_count": len(due) - len(lanes),
        "of_one": OF_ONE,
        "starts": [(at, relative(at, instant), job) for at, job in starts],
        "room": room,
        "crowds": forecast.crowds(forecast.expected(lanes), room)[:CROWDS] if room else [],
    }


def _past(instant: datetime) -> dict[str, Any]:
    """Return the lanes of what ran in the last day, and when most ran at once."""
    wanted = ExecutionFilter(states=frozenset(State) - {State.SKIPPED, State.QUEUED}, since=instant - DAY)
    page = store().executions(wanted, limit=DRAWN)
    lanes = forecast.ran(page.items, instant - DAY, instant)
    return {
        "ran": sorted(lanes.items())[:LANES],
        "later_count": max(len(lanes) - LANES, 0),
        "busiest": forecast.busiest(_times(page.items, instant)),
        "shortened": page.next is not None,
    }


def _times(executions: Sequence[Document], instant: datetime) -> list[forecast.Times]:
    return [
        (started, from_text(one["ended_at"]) or instant)
        for one in executions
        if (started := from_text(one["started_at"]))
    ]


def _due(end: datetime) -> list[Document]:
    """Return the jobs that start before `end`, the first to start first."""
    due = [(first, job["id"], job) for first, job in catalog.due_next(catalog.jobs()) if first < end]
    return [job for _, _, job in sorted(due, key=lambda one: one[:2])]


def _lanes(jobs: list[Document], instant: datetime, length: timedelta) -> list[forecast.Lane]:
    past = store().recent([job["id"] for job in jobs])
    share = min(FORESEEN // max(len(jobs), 1), forecast.DRAWN)
    found = []
    for job in jobs:
        usual = charts.usual_ms(past.get(job["id"], ()))
        found.append(forecast.lane(job["id"], facts().starts(job, instant), usual, instant, length, drawn=share))
    return list(filter(None, found))


def _then(lanes: list[forecast.Lane]) -> dict[str, list[forecast.Then]]:
    """Return by job of a lane those that start because it ended, as far as each is expected."""
    below: dict[str, list[Document]] = {}
    for job in catalog.jobs():
        if facts().schedule(job) is None and job["enabled"] and not job["paused"]:
            for above in job.get("after", ()):
                below.setdefault(above["job"], []).append(job)
    if not below:
        return {}
    past = store().recent(sorted({job["id"] for jobs in below.values() for job in jobs}))
    usual = {key: charts.usual_ms(executions) for key, executions in past.items()}
    return {lane.job: forecast.then(lane, below, usual)[:FOLLOWING] for lane in lanes}


def _missed(executions: Sequence[Document], instant: datetime) -> list[Document]:
    """Return what was not executed, the newest first; of one job for one reason the newest slot stands for all."""
    found: dict[tuple[str, str], Document] = {}
    for one in executions:
        at, reason = one["slot"] or one["queued_at"], why(one)
        if known := found.get((one["job"], reason)):
            known["further"] += 1 + one["coalesced"]
            continue
        since = relative(from_text(at) or instant, instant)
        found[one["job"], reason] = {
            "job": one["job"],
            "slot": at,
            "since": since,
            "why": reason,
            "further": one["coalesced"],
        }
    return list(found.values())
