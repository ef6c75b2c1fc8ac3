"""How this home is: the scheduler, what waits, and how much there is."""

from __future__ import annotations

from apiflask import APIBlueprint

from windmill.core.documents import Document
from windmill.core.line import count, groups, line
from windmill.dashboard import catalog, search
from windmill.dashboard.api import models
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age
from windmill.dashboard.streams import STREAMS_MAX, watching

blueprint = APIBlueprint("status", __name__, tag="Status")


@blueprint.get("/status")
@blueprint.output(models.Status)
@blueprint.doc(operation_id="getStatus")
def status() -> Document:
    """Return how the scheduler and the store are, and how much there is."""
    read = store()
    jobs = catalog.jobs()
    latest = catalog.latest(jobs)
    known = read.status("scheduler")
    problems = (read.status("catalog") or {}).get("problems", ())
    return {
        "version": facts().version,
        "home": facts().home,
        "actions": facts().actions,
        "scheduler": _scheduler(known),
        "backlog": (known or {}).get("backlog"),
        "jobs": len(jobs),
        "attention": sum(search.needs_attention(job, latest.get(job["id"])) for job in jobs),
        "open": len(read.open_executions()),
        "problems": sum(problem["severity"] == "error" for problem in problems),
        "streams": watching(),
        "streams_max": STREAMS_MAX,
    }


def _scheduler(known: Document | None) -> Document:
    heard, told = age(known, now()), known or {}
    left = bool(told.get("left"))
    return {
        "alive": heard is not None and heard < SILENT and not left,
        "left": left,
        "age_seconds": None if heard is None else heard.total_seconds(),
        "running": told.get("running", 0),
        "groups": [{"name": name, "taken": taken, "cap": cap} for name, taken, cap in groups(told)],
        "waiting": count(told),
        "line": [one._asdict() for one in line(told)],
        **{name: told.get(name) for name in ("at", "version", "host", "pid", "started_at", "max_running")},
    }
