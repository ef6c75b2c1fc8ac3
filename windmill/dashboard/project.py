"""/projects/PROJECT: one project, what of it is live, what was before, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.exceptions import NotFound

from windmill.core.documents import Document, from_text
from windmill.core.errors import WindmillError
from windmill.core.model import SYNC
from windmill.core.ports import ExecutionFilter, Store
from windmill.dashboard import catalog, projects
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.records import short
from windmill.dashboard.text import visible
from windmill.dashboard.words import relative, why

SYNCS: Final = 30  # executions of the sync that the timeline goes back
REQUESTS: Final = 200  # among which the last delivery of the webhook is looked for
JOBS_SHOWN: Final = 200
OUTCOMES: Final = {
    "published": ("✓", lazy_gettext("published")),
    "refused": ("✕", lazy_gettext("refused")),
    "held": ("■", lazy_gettext("held back")),
    "failed": ("✕", lazy_gettext("sync failed")),
    "running": ("▶", lazy_gettext("syncing")),
    "unchanged": ("–", lazy_gettext("nothing new went live")),
}

blueprint = APIBlueprint("project", __name__, url_prefix="/projects", enable_openapi=False)


@blueprint.get("/<name>")
def page(name: str) -> str:
    """Show the project, also one that is gone but for its jobs; 404 names those that are called alike."""
    instant, read = now(), store()
    rows = {row["id"]: row for row in projects.every(everywhere=True)}
    if gone := name not in rows:
        if not any(job["project"] == name for job in catalog.all_jobs()):
            raise NotFound(_nobody(name, rows))
        rows |= {row["id"]: row for row in projects.rows((), (), {}, names=[name])}
    known = facts().ground.project(name) or {}
    jobs = [job for job in catalog.jobs() if job["project"] == name]
    one = projects.in_words(rows[name], instant)
    syncs = (
        read.executions(ExecutionFilter(job=f"{name}/{SYNC}"), limit=SYNCS).items if one["sync"] != "in place" else []
    )
    return render_template(
        "project.html",
        one=one,
        gone=gone,
        known=known,
        live=next((each for each in known.get("revisions", ()) if each["live"]), None) or one["applied"],
        timeline=[_dated(event, instant) for event in timeline(syncs, known)],
        outcomes=OUTCOMES,
        jobs=_told(jobs[:JOBS_SHOWN], instant),
        job_count=len(jobs),
        files=_files(jobs, known),
        built=_since((known.get("environment") or {}).get("built_at"), instant),
        hook=_hook(read, name, known, instant),
        **projects.WORDS,
    )


def timeline(syncs: Sequence[Document], known: Document) -> list[Document]:
    """Return what became of the project, newest first: {at, outcome, revision or None, why, execution or None}.

    A sync is known by its execution; what it published by the instant at which that revision went live. A revision
    of which no execution is kept any more stands for itself.
    """
    revisions, attempted = list(known.get("revisions", ())), known.get("attempted")
    events = [_event(sync, revisions, attempted) for sync in syncs]
    told = {event["revision"]["key"] for event in events if event["revision"]}
    for one in revisions:
        if one["key"] not in told and one["published_at"]:
            event = {"outcome": "published", "revision": one, "why": "", "execution": None}
            events.append({"at": one["published_at"], **event})
    return sorted(events, key=lambda event: str(event["at"]), reverse=True)


def _event(sync: Document, revisions: Iterable[Document], attempted: Document | None) -> Document:
    began, ended = sync["started_at"] or sync["queued_at"], sync["ended_at"]
    event = {"at": ended or began, "revision": None, "why": "", "execution": sync["id"]}
    if not ended:
        return event | {"outcome": "running"}
    if attempted and attempted["outcome"] != "published" and began <= attempted["at"] <= ended:
        return event | {"outcome": attempted["outcome"], "revision": attempted, "why": attempted["error"]}
    if made := next((one for one in revisions if began <= one["published_at"] <= ended), None):
        return event | {"outcome": "published", "revision": made}
    return event | (
        {"outcome": "unchanged"} if sync["state"] == "succeeded" else {"outcome": "failed", "why": why(sync)}
    )


def _dated(event: Document, instant: datetime) -> Document:
    revision = event["revision"]
    return event | {
        "since": _since(event["at"], instant),
        "short": short(revision["revision"]) if revision else "",
        "known": event["outcome"] in OUTCOMES,
    }


def _told(jobs: Sequence[Document], instant: datetime) -> list[Document]:
    latest = catalog.latest(jobs)
    return [
        job | {"latest": last, "since": _since(last["queued_at"], instant) if last else ""}
        for job in jobs
        for last in [latest.get(job["id"])]
    ]


def _files(jobs: Iterable[Document], known: Document) -> list[dict[str, Any]]:
    """Return {file, jobs, held}: every file that defines a job; `held` names the older revision it is read from."""
    found: dict[str, list[Document]] = {}
    for job in jobs:
        found.setdefault(job["file"], []).append(job)
    live = next((one["key"] for one in known.get("revisions", ()) if one["live"]), "")
    held = {file: key for file, key in known.get("good", {}).items() if key != live}
    return [
        {
            "file": file,
            "jobs": sorted(defined, key=lambda job: int(job["line"])),
            "held": visible(held.get(file.rpartition(":jobs.d/")[2], "")[:12]),
        }
        for file, defined in sorted(found.items())
    ]


def _hook(read: Store, name: str, known: Document, instant: datetime) -> Document | None:
    """Return {state, last, since}: may pushes tell of news, and when one did; None where nothing is pushed."""
    if known.get("kind") != "git":
        return None
    try:
        state = "set" if facts().webhook_secret(name) else "none"
    except WindmillError:
        state = "unreadable"
    asked = read.requests(limit=REQUESTS).items if state == "set" else []
    last = next((one for one in asked if one["kind"] == "poll" and one.get("project") == name and _pushed(one)), None)
    return {"state": state, "last": last and last["at"], "since": _since(last["at"], instant) if last else ""}


def _pushed(wish: Document) -> bool:
    return "webhook" in (wish.get("by"), wish.get("via"))


def _since(text: str | None, instant: datetime) -> str:
    at = from_text(text or None)
    return relative(at, instant) if at else ""


def _nobody(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=3)
    if near:
        return str(_("There is no project %(name)s. There is %(near)s.", name=name[:100], near=", ".join(near)))
    return str(_("There is no project %(name)s.", name=name[:100]))
