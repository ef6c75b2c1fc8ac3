"""/health and /ready for programs: is the process up, does it do its work. /status tells the same to people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from apiflask import APIBlueprint
from flask import jsonify, redirect, request, url_for
from werkzeug.wrappers import Response

from windmill.core.documents import Document, from_text
from windmill.core.errors import Unavailable
from windmill.dashboard.context import facts, now, store

SILENT: Final = timedelta(seconds=15)  # heartbeats come every two seconds

blueprint = APIBlueprint("health", __name__, enable_openapi=False)


@blueprint.get("/health")
def health() -> Response:
    """Say that this process answers; a browser is sent to the page for people, which not everybody may see."""
    wanted = request.accept_mimetypes.best_match(["application/json", "text/html"], "application/json")
    people = wanted == "text/html"
    answer = redirect(url_for("status.page"), 303) if people else jsonify(status="ok", version=facts().version)
    answer.vary.add("Accept")
    return answer


@blueprint.get("/ready")
def ready() -> tuple[Response, int]:
    """Say whether the store answers and the scheduler was heard of lately: 200, else 503."""
    try:
        known = store().status("scheduler")
        answers = True
    except Unavailable:
        known, answers = None, False
    heard = age(known, now())
    good = heard is not None and heard < SILENT and not (known or {}).get("left")
    facts_found = {
        "ready": good,
        "store": "ok" if answers else "away",
        "scheduler": {
            "at": known["at"] if known else None,
            "age_seconds": round(heard.total_seconds(), 3) if heard is not None else None,
            "left": bool(known and known.get("left")),
        },
    }
    return jsonify(facts_found), 200 if good else 503


def age(scheduler: Document | None, instant: datetime) -> timedelta | None:
    """Return how long ago the scheduler said that it lives; None where it never did."""
    at = from_text(scheduler["at"]) if scheduler else None
    return max(instant - at, timedelta(0)) if at else None
