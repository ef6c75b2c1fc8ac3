"""What somebody who may act can do with an execution: stop it, or run again what it ran."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template, request
from flask.typing import ResponseReturnValue

from windmill.core import wishes
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.model import TERMINAL, is_system
from windmill.dashboard.answers import answered
from windmill.dashboard.context import facts, store
from windmill.dashboard.output import find
from windmill.dashboard.wishes import ask

blueprint = APIBlueprint("again", __name__, url_prefix="/executions", enable_openapi=False)


@blueprint.get("/<identity>/stop")
def stop_form(identity: str) -> str:
    """Ask whether the execution is really to be stopped."""
    return _stop_page(find(identity))


@blueprint.post("/<identity>/stop")
def stop(identity: str) -> ResponseReturnValue:
    """Stop the execution, or take back a waiting one; 409 for one that has ended."""
    execution = find(identity)
    wish = ask("stop", execution=execution["id"], job=execution["job"], identity=request.form.get("identity", ""))
    return answered(wish, lambda refusal: _stop_page(execution, refusal=refusal))


@blueprint.get("/<identity>/rerun")
def rerun_form(identity: str) -> str:
    """Ask what is to run: exactly what ran then, or the job as it stands now."""
    return _rerun_page(find(identity))


@blueprint.post("/<identity>/rerun")
def rerun(identity: str) -> ResponseReturnValue:
    """Run again; `how` is "exact" for the revision, definition and params of then, "head" for the job as it stands.

    Code of then that is not on disk is made available again first; 409 for what cannot be run again.
    """
    execution, sent = find(identity), request.form.get("identity", "")
    try:
        asked = wishes.rerun(execution) if request.form.get("how") == "head" else _exactly(execution)
    except WindmillError as error:
        return _rerun_page(execution, refusal={"message": error.message, "execution": ""}), 409
    return answered(ask(**asked, identity=sent), lambda refusal: _rerun_page(execution, refusal=refusal))


def _exactly(execution: Document) -> Document:
    """Return what asks for what the execution ran, or for its code where that comes first."""
    asked = wishes.rerun_exactly(execution, store().definition(execution["job_digest"]))
    if "definition" in asked and (revision := facts().missing(execution)):
        project = execution["job"].partition("/")[0]
        return wishes.provide(project, revision) | {"prepares": execution["id"]}
    return asked


def _stop_page(execution: Document, *, refusal: Document | None = None) -> str:
    ended = execution["state"] in TERMINAL
    return render_template("acts/stop.html", execution=execution, ended=ended, refusal=refusal)


def _rerun_page(execution: Document, *, refusal: Document | None = None) -> str:
    """Show what there is to choose: a job that is gone can only be run as it was, and a sync as it is."""
    known = store().job(execution["job"])
    job = None if known is None or known.get("deleted") else known
    impossible = ""
    try:
        asked = _exactly(execution)
    except WindmillError as error:
        asked, impossible = {}, error.message
    return render_template(
        "acts/rerun.html",
        execution=execution,
        job=job,
        sync=is_system(execution["job"]),
        impossible=impossible,
        prepares="prepares" in asked,
        refusal=refusal,
    )
