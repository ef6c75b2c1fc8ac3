"""/requests/ID: what became of a wish, for those who wait for it, and where an answered one leads."""

from __future__ import annotations

from collections.abc import Callable

from apiflask import APIBlueprint
from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from windmill.core.documents import Document
from windmill.core.model import TERMINAL, State
from windmill.dashboard.context import store
from windmill.dashboard.wishes import outcome

blueprint = APIBlueprint("answers", __name__, enable_openapi=False)


@blueprint.get("/requests/<identity>")
def page(identity: str) -> ResponseReturnValue:
    """Say what is waited for, and load anew until it is known; then lead on, or say why not. 404 for no request."""
    known = store().request(identity)
    if known is None:
        raise NotFound("There is no request of this number.")
    if known["state"] == "done" and not known.get("prepares"):
        return redirect(place(known), 303)
    return render_template("acts/request.html", **_told(known))


def answered(wish: Document, again: Callable[[Document], str]) -> ResponseReturnValue:
    """Return what answers the form of the wish: where it leads, or `again(answer)` with the scheduler's refusal.

    What is not answered soon is waited for on a page of its own, and so is what only prepares something.
    """
    known = outcome(wish["id"])
    if known is None or known.get("prepares"):
        return redirect(url_for("answers.page", identity=wish["id"]), 303)
    if known["state"] == "refused":
        return again(refusal(known)), 409
    return redirect(place(known), 303)


def refusal(known: Document) -> Document:
    """Return {message, execution}: the scheduler's words, and which execution is in the way, "" for none."""
    answer = known.get("answer") or {}
    return {"message": str(answer.get("message") or ""), "execution": str(answer.get("execution") or "")}


def place(known: Document) -> str:
    """Return the path of what the wish was about: of the execution where there is one, else of its job."""
    execution = (known.get("answer") or {}).get("execution") or known.get("execution")
    if execution:
        return url_for("execution.execution", identity=execution)
    project, _, name = str(known.get("job", "")).partition("/")
    return url_for("job.page", project=project, name=name) if name else url_for("projects.page")


def _told(known: Document) -> Document:
    """Return what the page says; what a request prepares is ready once the execution it led to has succeeded."""
    sync = (known.get("answer") or {}).get("execution", "")
    execution = store().execution(sync) if sync and known["state"] == "done" else None
    state = execution["state"] if execution else None
    ended = state in TERMINAL
    return {
        "known": known,
        "refusal": refusal(known) if known["state"] == "refused" else None,
        "execution": execution,
        "ready": state == State.SUCCEEDED,
        "failed": ended and state != State.SUCCEEDED,
        "waiting": known["state"] != "refused" and not ended,
        "place": place(known),
    }
