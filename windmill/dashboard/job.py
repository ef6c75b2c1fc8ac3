"""/jobs/PROJECT/NAME: one job, what became of it, and when it is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches, unified_diff
from itertools import islice
from typing import Any, Final

import yaml
from apiflask import APIBlueprint
from flask import render_template
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from windmill.core.documents import Document, from_text
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter, Store
from windmill.dashboard import alike, catalog, charts, past, records
from windmill.dashboard.chain import after_words, chain
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.overview import flags, lately
from windmill.dashboard.schedules import schedule_words
from windmill.dashboard.waiting import lines
from windmill.dashboard.words import in_utc, joined, moment, relative

STARTS: Final = 10
LAST: Final = 20  # executions in the table
COMPARED: Final = 100  # executions whose definitions and revisions are compared
CHANGES: Final = 5
CHARTED: Final = 60  # executions in the chart of durations
COUNTED: Final = 1000  # executions whose durations are counted
WINDOWS: Final = (7, 30, 90)  # days
YEAR: Final = timedelta(weeks=charts.WEEKS)

blueprint = APIBlueprint("job", __name__, url_prefix="/jobs", enable_openapi=False)


@blueprint.get("/<project>/<path:name>")
def page(project: str, name: str) -> str:
    """Show the job, also one whose file is gone; 404 names those that are called alike."""
    read, instant = store(), now()
    job = _known(read, f"{project}/{name}")
    key = job["id"]
    recent = read.recent([key], limit=COUNTED).get(key, [])
    compared = read.executions(ExecutionFilter(job=key), limit=COMPARED).items
    year = read.tally(job=key, since=instant - YEAR)
    latest = read.execution(recent[0]["id"]) if recent else None
    starts = [] if job["deleted"] else islice(facts().starts(job, instant), STARTS)
    return render_template(
        "job.html",
        job=job,
        schedule=schedule_words(job, facts().schedule(job)),
        flags=[] if job["deleted"] else flags(job),
        latest=latest and lately(latest, instant),
        line=lines().get(latest["id"]) if latest and latest["state"] == State.QUEUED else None,
        pause=_pause(job, instant),
        chain=chain(job),
        after=after_words(job),
        starts=[(start, relative(start, instant)) for start in starts],
        last=[lately(one, instant) for one in compared[:LAST]],
        chart=charts.bars(recent, places=CHARTED, height=charts.DURATIONS_HIGH),
        alike=alike.of_job(key, instant),
        windows=[past.window(year, recent, days, instant) for days in WINDOWS],
        calendar=charts.calendar(year, instant.date()) if year else None,
        changes=list(_changes(read, compared, instant)),
        compared=len(compared),
        definition=_yaml(job["document"]),
        running=job["digest"][: records.DIGITS],
    )


def _known(read: Store, key: str) -> Document:
    job = read.job(key)
    if job and "document" in job and not job.get("system"):
        return job
    near = get_close_matches(key, [job["id"] for job in catalog.jobs()])
    if near:
        raise NotFound(gettext("There is no job %(job)s. There is %(near)s.", job=key, near=joined(near)))
    raise NotFound(gettext("There is no job %(job)s.", job=key))


def _pause(job: Document, instant: datetime) -> str:
    pause = job.get("paused")
    if not pause:
        return ""
    until, who = from_text(pause["until"]), {"by": pause["by"], "note": pause["note"]}
    if until:
        when = {"until": f"{moment(in_utc(until))} UTC", "distance": relative(until, instant)}
        if pause["note"]:
            return str(gettext("Paused until %(until)s, %(distance)s, by %(by)s: %(note)s", **when, **who))
        return str(gettext("Paused until %(until)s, %(distance)s, by %(by)s", **when, **who))
    if pause["note"]:
        return str(gettext("Paused until it is resumed, by %(by)s: %(note)s", **who))
    return str(gettext("Paused until it is resumed, by %(by)s", **who))


def _changes(read: Store, executions: list[Document], instant: datetime) -> Iterator[dict[str, Any]]:
    """Yield what has changed between executions, with how the definition differs where both are known."""
    found = past.changes(executions)
    for one, before in zip(found[:CHANGES], [*found[1:], None], strict=False):
        old = read.definition(before.first["job_digest"]) if before and one.defined else None
        new = read.definition(one.first["job_digest"]) if old else None
        yield {
            "change": one,
            "execution": records.told(one.first, instant),
            "diff": _diff(old["document"], new["document"]) if old and new else "",
        }


def _diff(old: Document, new: Document) -> str:
    lines = unified_diff(_yaml(old).splitlines(), _yaml(new).splitlines(), lineterm="", n=1)
    return "\n".join(list(lines)[2:])  # without the names of files


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as people do."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _yaml(document: Document) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
