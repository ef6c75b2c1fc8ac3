"""/status: how the scheduler, the store and the machine are, in words; /health sends browsers here."""

from __future__ import annotations

from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from windmill.core.documents import Document, from_text
from windmill.core.line import count, groups, line
from windmill.dashboard.checks import OK, PROBLEM, SIGNS, Readings, checks, look
from windmill.dashboard.context import facts
from windmill.dashboard.records import size
from windmill.dashboard.waiting import in_line
from windmill.dashboard.words import relative, span

LISTED: Final = 20  # of what waits, and of retries
WORDS: Final = {"ok": lazy_gettext("ok"), "warning": lazy_gettext("look at it"), "problem": lazy_gettext("problem")}

blueprint = APIBlueprint("status", __name__, enable_openapi=False)


@blueprint.get("/status")
def page() -> str:
    """Show how everything is, also while the store is away."""
    seen = look()
    found = list(checks(seen))
    scheduler = seen.scheduler
    return render_template(
        "health.html",
        checks=found,
        signs=SIGNS,
        words=WORDS,
        wrong=sum(one.verdict == PROBLEM for one in found),
        odd=sum(one.verdict not in {OK, PROBLEM} for one in found),
        numbers=_numbers(scheduler) if scheduler else [],
        waiting=[_dated(one._asdict(), "since", seen) | {"line": in_line(one)} for one in line(scheduler)][:LISTED],
        groups=groups(scheduler),
        retries=[_dated(one, "at", seen) for one in scheduler.get("retries", ())[:LISTED]],
        facts_of=_facts(seen),
    )


def _numbers(scheduler: Document) -> list[tuple[str, str]]:
    most = scheduler.get("max_running")
    running = f"{scheduler.get('running', 0)} / {most}" if most else str(scheduler.get("running", 0))
    return [
        (_("running now"), running),
        (_("waiting for a place"), str(count(scheduler))),
        (_("to be tried again"), str(len(scheduler.get("retries", ())))),
    ]


def _dated(one: Document, name: str, seen: Readings) -> Document:
    at = from_text(one.get(name))
    return one | {"when": one.get(name) or "", "words": relative(at, seen.instant) if at else ""}


def _facts(seen: Readings) -> list[tuple[str, Any]]:
    """Return what is known in pairs of a name and a value; what is not known is left out."""
    scheduler, machine = seen.scheduler, seen.machine
    kept = machine.get("store") or {}
    began = from_text(scheduler.get("started_at"))
    synced = [at for one in seen.projects if (at := from_text((one.get("attempted") or {}).get("at") or None))]
    pairs = [
        (_("Scheduler running for"), began and span(seen.instant - began)),
        (_("Its process"), scheduler and f"{scheduler.get('host', '')}, pid {scheduler.get('pid', '')}"),
        (_("Its version"), scheduler.get("version")),
        (_("Store"), " ".join(filter(None, (kept.get("kind"), kept.get("version"))))),
        (_("Its size"), kept.get("bytes") is not None and size(kept["bytes"])),
        (_("Journal on disk"), machine.get("journal_bytes") is not None and size(machine["journal_bytes"])),
        (_("Last sync"), synced and relative(max(synced), seen.instant)),
        (_("Home"), facts().home),
        ("WindMill", facts().version),
        ("Python", machine.get("python")),
        (_("System"), machine.get("system")),
    ]
    return [(name, value) for name, value in pairs if value]
