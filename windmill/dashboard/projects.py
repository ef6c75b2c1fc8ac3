"""/projects: where code comes from, what of it is live, and how its jobs do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, SYNC
from windmill.dashboard import catalog
from windmill.dashboard.context import now, store
from windmill.dashboard.records import short
from windmill.dashboard.words import relative

IN_PLACE: Final = "in place"
SIGNS: Final = {"synced": "✓", "behind": "…", "held": "■", "error": "✕", "unknown": "?", IN_PLACE: "–"}
HEALTH_SIGNS: Final = {"ok": "✓", "failing": "✕", "unknown": "○"}

blueprint = APIBlueprint("projects", __name__, enable_openapi=False)


@blueprint.get("/projects")
def page() -> str:
    """Show every project that has jobs or a source."""
    instant = now()
    rows = [row | _words(row, instant) for row in every()]
    return render_template("projects.html", projects=rows, signs=SIGNS, health_signs=HEALTH_SIGNS, sync=SYNC)


def every() -> list[Document]:
    """Return every project as `rows` does."""
    read = store()
    jobs = catalog.jobs()
    told = (read.status("projects") or {}).get("projects", [])
    return rows(told, jobs, catalog.latest(jobs))


def rows(told: Iterable[Document], jobs: Iterable[Document], latest: Mapping[str, Document]) -> list[Document]:
    """Return the projects by name: what was told of each source, where it has one, its jobs and their health.

    Health is failing when the last execution of any job went wrong, ok when none did, unknown when none has run.
    """
    counts: dict[str, int] = {}
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


def _words(row: Document, instant: datetime) -> Document:
    applied = row["applied"] or {}
    seen, poll = from_text(row.get("seen_at")), from_text(row.get("next_poll"))
    return {
        "short": short(applied.get("revision") or ""),
        "seen": relative(seen, instant) if seen else "",
        "next": relative(poll, instant) if poll else "",
    }
