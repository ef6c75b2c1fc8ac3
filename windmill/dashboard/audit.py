"""/audit: who asked for what, when, from where, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from apiflask import APIBlueprint
from flask import render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.exceptions import BadRequest

from windmill.core.documents import Document, from_text
from windmill.core.errors import Refused
from windmill.core.model import is_system
from windmill.core.ports import Page, Store
from windmill.core.wishes import VIAS
from windmill.dashboard.context import now, store
from windmill.dashboard.words import relative

PAGE: Final = 50
LOOKED_INTO: Final = 2000  # requests that one page looks into, where it is to show some of them only
NAMES: Final = ("who", "what", "job", "via")
LONGEST: Final = 200  # characters of a value
WHATS: Final = {
    "run": lazy_gettext("Run"),
    "rerun": lazy_gettext("Run again"),
    "sync": lazy_gettext("Sync"),
    "stop": lazy_gettext("Stop"),
    "pause": lazy_gettext("Pause"),
    "resume": lazy_gettext("Resume"),
    "poll": lazy_gettext("Look at the source"),
    "place": lazy_gettext("Write a job file"),
    "upload": lazy_gettext("Upload code"),
}
WAYS: Final = {
    "cli": lazy_gettext("command line"),
    "dashboard": lazy_gettext("dashboard"),
    "api": lazy_gettext("API"),
    "webhook": lazy_gettext("webhook"),
}
RESULTS: Final = {
    "done": ("✓", lazy_gettext("done")),
    "refused": ("✕", lazy_gettext("refused")),
    "pending": ("…", lazy_gettext("waiting")),
}

blueprint = APIBlueprint("audit", __name__, enable_openapi=False)


@blueprint.get("/audit")
def page() -> str:
    """Show a page of what was asked for, newest first, as the address restricts it. 400 for a foreign cursor."""
    wanted: dict[str, Any] = {
        name: value for name in NAMES if (value := request.args.get(name, "").strip()[:LONGEST])
    }
    try:
        found = matching(store(), wanted, request.args.get("cursor") or None)
    except Refused as error:
        raise BadRequest(error.message) from None
    return render_template(
        "audit.html",
        rows=[told(one, now()) for one in found.items],
        wanted=wanted,
        whats=WHATS,
        ways={via: WAYS[via] for via in VIAS},
        looked_until=found.looked_until,
        older=url_for(".page", **wanted, cursor=found.next) if found.next else "",
        newest=url_for(".page", **wanted) if request.args.get("cursor") else "",
    )


def matching(read: Store, wanted: Document, cursor: str | None) -> Page:
    """Return at least PAGE requests that are wanted, newest first, or those among the next LOOKED_INTO.

    `wanted` restricts by parts of names: "who" and "job"; and by "what" and "via", each one of those that there are.
    """
    found: list[Document] = []
    looked = 0
    while True:
        part = read.requests(limit=PAGE, cursor=cursor)
        found += [one for one in part.items if _meant(one, wanted)]
        looked, cursor = looked + len(part.items), part.next
        if cursor is None or len(found) >= PAGE:
            return Page(items=found, next=cursor)
        if looked >= LOOKED_INTO:
            return Page(items=found, next=cursor, looked_until=part.items[-1]["at"])


def told(one: Document, instant: datetime) -> dict[str, Any]:
    """Return the request as the page tells it."""
    answer = one.get("answer") or {}
    at = from_text(one["at"]) or instant
    sign, word = RESULTS.get(one["state"], ("?", one["state"]))
    job = str(one.get("job") or "")
    project = str(one.get("project") or "") or ("" if all(job.partition("/")) else job)
    return {
        "at": one["at"],
        "since": relative(at, instant),
        "who": str(one.get("by") or ""),
        "what": _in_words(one),
        "file": str(answer.get("file") or ""),
        "until": str(one.get("until") or ""),
        "note": str(one.get("note") or ""),
        "params": _params(one),
        "job": "" if project else job,
        "project": project,
        "execution": str(one.get("execution") or answer.get("execution") or ""),
        "via": str(WAYS.get(str(one.get("via")), one.get("via") or "")),
        "address": str(one.get("address") or ""),
        "state": one["state"],
        "sign": sign,
        "word": str(word),
        "why": str(answer.get("message") or "") if one["state"] == "refused" else "",
    }


def _meant(one: Document, wanted: Document) -> bool:
    subject = str(one.get("job") or one.get("project") or "").lower()
    return (
        wanted.get("who", "").lower() in str(one.get("by") or "").lower()
        and wanted.get("job", "").lower() in subject
        and wanted.get("what", "") in ("", _what(one))
        and wanted.get("via", "") in ("", one.get("via"))
    )


def _what(one: Document) -> str:
    """Return which of WHATS was asked for; a kind that is none of them as it is."""
    if one["kind"] != "run":
        return str(one["kind"])
    if is_system(str(one.get("job") or "")):
        return "sync"
    return "rerun" if one.get("rerun_of") else "run"


def _in_words(one: Document) -> str:
    what = _what(one)
    if what == "rerun":
        return str(_("Run again exactly") if one.get("definition") else _("Run again as it stands"))
    if what == "sync" and (one.get("params") or {}).get("accept"):
        return str(_("Sync, accepting removals"))
    if what == "sync" and (one.get("params") or {}).get("revision"):
        return str(_("Make a revision available again"))
    return str(WHATS.get(what, what))


def _params(one: Document) -> dict[str, Any]:
    """Return the values that a job was started with."""
    params = one.get("params")
    return params if isinstance(params, dict) and _what(one) in ("run", "rerun") else {}
