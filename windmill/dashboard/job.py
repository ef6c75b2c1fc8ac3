"""/jobs/PROJECT/NAME: one job, what became of it, and when it is due."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

import yaml
from apiflask import APIBlueprint
from flask import render_template
from werkzeug.exceptions import NotFound

from windmill.core.documents import Document, from_text
from windmill.core.ports import ExecutionFilter, Store
from windmill.dashboard import catalog, charts
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.overview import flags, lately
from windmill.dashboard.words import relative, span

STARTS: Final = 10
LAST: Final = 20  # executions in the table
CHARTED: Final = 60  # executions in the chart of durations
WINDOWS: Final = (7, 30, 90)  # days
YEAR: Final = timedelta(weeks=charts.WEEKS)

blueprint = APIBlueprint("job", __name__, url_prefix="/jobs", enable_openapi=False)


@blueprint.get("/<project>/<path:name>")
def page(project: str, name: str) -> str:
    """Show the job, also one whose file is gone; 404 names those that are called alike."""
    read, instant = store(), now()
    job = _known(read, f"{project}/{name}")
    key = job["id"]
    past = read.recent([key], limit=CHARTED).get(key, [])
    last = read.executions(ExecutionFilter(job=key), limit=LAST).items
    year = read.tally(job=key, since=instant - YEAR)
    latest = read.execution(past[0]["id"]) if past else None
    starts = [] if job["deleted"] else islice(facts().starts(job, instant), STARTS)
    return render_template(
        "job.html",
        job=job,
        flags=[] if job["deleted"] else flags(job),
        latest=latest and lately(latest, instant),
        pause=_pause(job, instant),
        starts=[(start, relative(start, instant)) for start in starts],
        last=[lately(one, instant) for one in last],
        chart=charts.bars(past, places=CHARTED, height=charts.DURATIONS_HIGH),
        windows=[_window(year, days, instant.date()) for days in WINDOWS],
        calendar=charts.calendar(year, instant.date()) if year else None,
        definition=yaml.safe_dump(job["document"], sort_keys=False, allow_unicode=True),
    )


def _known(read: Store, key: str) -> Document:
    job = read.job(key)
    if job and "document" in job and not job.get("system"):
        return job
    near = get_close_matches(key, [job["id"] for job in catalog.jobs()])
    hint = f" There is {', '.join(near)}." if near else ""
    raise NotFound(f"There is no job {key}.{hint}")


def _pause(job: Document, instant: datetime) -> str:
    pause = job.get("paused")
    if not pause:
        return ""
    until = from_text(pause["until"])
    words = f"until {until:%Y-%m-%d %H:%M} UTC, {relative(until, instant)}" if until else "until it is resumed"
    return f"{words}, by {pause['by']}" + (f": {pause['note']}" if pause["note"] else "")


def _window(year: list[Document], days: int, today: date) -> dict[str, Any]:
    """Return what is counted of the last days, today included, in UTC."""
    first = (today - timedelta(days=days - 1)).isoformat()
    rows = [row for row in year if row["day"] >= first]
    good, whole = charts.success_rate(rows)
    took = sum(row["duration_ms"] for row in rows if row["state"] == "succeeded")
    return {
        "days": days,
        "executions": sum(row["count"] for row in rows if row["state"] != "skipped"),
        "rate": charts.percent(good, whole),
        "failed": whole - good,
        "mean": span(timedelta(milliseconds=took / good)) if good else "",
    }
