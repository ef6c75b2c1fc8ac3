"""/projects: where code comes from, what of it is live, and how its jobs do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from apiflask import APIBlueprint
from flask import render_template
from flask_babel import lazy_gettext

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, SYNC
from windmill.dashboard import catalog
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.records import short
from windmill.dashboard.words import relative

IN_PLACE: Final = "in place"
SIGNS: Final = {"synced": "✓", "behind": "…", "held": "■", "error": "✕", "unknown": "?", IN_PLACE: "–"}
SYNC_WORDS: Final = {
    "synced": lazy_gettext("synced"),
    "behind": lazy_gettext("behind"),
    "held": lazy_gettext("held back"),
    "error": lazy_gettext("sync failed"),
    "unknown": lazy_gettext("not looked at yet"),
    IN_PLACE: lazy_gettext("in place"),
}
HEALTH_SIGNS: Final = {"ok": "✓", "failing": "✕", "unknown": "○"}
HEALTH_WORDS: Final = {
    "ok": lazy_gettext("jobs ok"),
    "failing": lazy_gettext("jobs failing"),
    "unknown": lazy_gettext("no job has run"),
}
WORDS: Final = {
    "signs": SIGNS,
    "sync_words": SYNC_WORDS,
    "health_signs": HEALTH_SIGNS,
    "health_words": HEALTH_WORDS,
    "sync": SYNC,
    "in_place": IN_PLACE,
}

blueprint = APIBlueprint("projects", __name__, enable_openapi=False)


@blueprint.get("/projects")
def page() -> str:
    """Show every project that has jobs, a source or a directory."""
    return render_template(
        "projects.html", projects=[in_words(row, now()) for row in every(everywhere=True)], **WORDS
    )


def every(*, everywhere: bool = False) -> list[Document]:
    """Return every project as `rows` does; `everywhere` also those that neither have a job nor sync."""
    jobs = catalog.jobs()
    told = (store().status("projects") or {}).get("projects", [])
    grounds = facts().ground.projects()
    found = rows(told, jobs, catalog.latest(jobs), names=sorted(grounds) if everywhere else ())
    return [{**grounds.get(row["id"], {}), **row} for row in found] if everywhere else found


def rows(
    told: Iterable[Document],
    jobs: Iterable[Document],
    latest: Mapping[str, Document],
    names: Sequence[str] = (),
) -> list[Document]:
    """Return the projects by name: what was told of each source, where it has one, its jobs and their health.

    Health is failing when the last execution of any job went wrong, ok when none did, unknown when none has run.
    `names` are of projects that there are whether they have a job or not.
    """
    counts: dict[str, int] = dict.fromkeys(names, 0)
    health: dict[str, str] = {}
    for job in jobs:
        project = job["project"]
        counts[project] = counts.get(project, 0) + 1
        if (last := latest.get(job["id"])) and health.get(project) != "failing":
            health[project] = "failing" if last["state"] in FAILURES else "ok"
    sources = {one["id"]: one for one in told}
    return [
        {
            "id": name,
            "sync": IN_PLACE,
            "applied": None,
            "error": "",
            **sources.get(name, {}),
            "jobs": counts.get(name, 0),
            "health": health.get(name, "unknown"),
        }
        for name in sorted(counts.keys() | sources.keys())
    ]


def in_words(row: Document, instant: datetime) -> Document:
    """Return the project with what a page says of it; one that syncs and was never looked at is unknown."""
    applied = row["applied"] or {}
    seen, poll = from_text(row.get("seen_at")), from_text(row.get("next_poll"))
    lost = row["sync"] == IN_PLACE and row.get("syncs")
    return row | {
        "sync": "unknown" if lost else row["sync"],
        "short": short(applied.get("revision") or ""),
        "seen": relative(seen, instant) if seen else "",
        "next": relative(poll, instant) if poll else "",
    }
