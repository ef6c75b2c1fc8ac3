"""What somebody who may act can do with a job or a project: run it now, hold it, let it go on, bring it up to date.

Every form asks the scheduler, which alone acts; see `wishes`. Executions are stopped and run again in `again`.
"""

from __future__ import annotations

from typing import Any, Final

from apiflask import APIBlueprint
from flask import Flask, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from windmill.core import wishes
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.model import SYNC
from windmill.core.params import declared
from windmill.dashboard import fields
from windmill.dashboard.answers import answered
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.gate import viewer
from windmill.dashboard.wishes import ask, fresh

NOTE_MAX: Final = 1000  # characters, as the scheduler keeps them
UNTIL_MAX: Final = 64  # characters

blueprint = APIBlueprint("acts", __name__, enable_openapi=False)


def install(app: Flask) -> None:
    """Let the templates of the application make forms that count once, and lead to where one signs in."""
    app.context_processor(lambda: {"fresh": fresh, "sign_in_path": sign_in_path})


def sign_in_path() -> str:
    """Return where the viewer could sign in so as to act and come back, "" where they have or cannot."""
    if not facts().actions or viewer().name or "sign_in.page" not in current_app.view_functions:
        return ""
    return url_for("sign_in.page", next=request.full_path.rstrip("?"))


@blueprint.get("/jobs/<project>/<name>/run")
def run_form(project: str, name: str) -> str:
    """Show the job's parameters to be filled in; `of` names an execution whose values stand there."""
    execution = request.args.get("of", "")
    known = store().execution(execution) if execution else None
    if known is not None and known["job"] != f"{project}/{name}":
        raise NotFound(f"There is no execution {execution} of this job.")
    return _run_page(_job(project, name), known["params"] if known else {}, of=known["id"] if known else "")


@blueprint.post("/jobs/<project>/<name>/run")
def run(project: str, name: str) -> ResponseReturnValue:
    """Start the job now; 422 with all mistakes of the parameters, 409 with why it cannot be."""
    job, of = _job(project, name), request.form.get("of", "")
    given = fields.written(declared(job), request.form)
    found, values = fields.shown(declared(job), given, judged=True)
    if any(field.mistake for field in found):
        return _run_page(job, given, of=of, judged=True), 422
    asked = wishes.run(job["id"], values) | ({"rerun_of": of} if of else {})
    wish = ask(**asked, identity=request.form.get("identity", ""))
    return answered(wish, lambda refusal: _run_page(job, given, of=of, refusal=refusal))


@blueprint.get("/jobs/<project>/<name>/pause")
def pause_form(project: str, name: str) -> str:
    """Ask until when, and why."""
    return _pause_page(_job(project, name))


@blueprint.post("/jobs/<project>/<name>/pause")
def pause(project: str, name: str) -> ResponseReturnValue:
    """Hold the job's schedule; 422 for a time that nobody understands or that is past."""
    job = _job(project, name)
    until, note = (request.form.get(field, "").strip() for field in ("until", "note"))
    mistakes = {}
    try:
        end = facts().until(until[:UNTIL_MAX], now()) if until else None
    except WindmillError:
        mistakes["until"] = _("Write a duration such as 2h, or a time to come such as 2026-01-31T06:00.")
    if len(note) > NOTE_MAX:
        mistakes["note"] = _("Write at most %(number)s characters.", number=NOTE_MAX)
    if mistakes:
        return _pause_page(job, mistakes=mistakes), 422
    wish = ask(**wishes.pause(job["id"], end, note), identity=request.form.get("identity", ""))
    return answered(wish, lambda refusal: _pause_page(job, refusal=refusal))


@blueprint.post("/jobs/<project>/<name>/resume")
def resume(project: str, name: str) -> ResponseReturnValue:
    """Let the job go on now."""
    job = _job(project, name)
    wish = ask("resume", job=job["id"], identity=request.form.get("identity", ""))
    return answered(wish, lambda refusal: _pause_page(job, refusal=refusal))


@blueprint.get("/projects/<project>/sync")
def sync_form(project: str) -> str:
    """Ask whether the project is to be brought up to date, and whether it may lose most of its jobs."""
    return _sync_page(_source(project))


@blueprint.post("/projects/<project>/sync")
def sync(project: str) -> ResponseReturnValue:
    """Bring the project up to date now, as `windmill sync` does."""
    source = _source(project)
    asked = wishes.sync(project, accept=request.form.get("accept") == "1")
    wish = ask(**asked, identity=request.form.get("identity", ""))
    return answered(wish, lambda refusal: _sync_page(source, refusal=refusal))


def _run_page(
    job: Document, given: dict[str, Any], *, of: str = "", judged: bool = False, refusal: Document | None = None
) -> str:
    found, _values = fields.shown(declared(job), given, judged=judged)
    return render_template("acts/run.html", job=job, fields=found, of=of, refusal=refusal)


def _pause_page(job: Document, *, mistakes: dict[str, str] | None = None, refusal: Document | None = None) -> str:
    return render_template("acts/pause.html", job=job, mistakes=mistakes or {}, refusal=refusal, note_max=NOTE_MAX)


def _sync_page(source: Document, *, refusal: Document | None = None) -> str:
    return render_template("acts/sync.html", source=source, refusal=refusal)


def _job(project: str, name: str) -> Document:
    """Return the job. Raises NotFound, also for one whose file is gone."""
    key = f"{project}/{name}"
    if name == SYNC:
        raise NotFound("A sync is asked for on the page of its project, and cannot be paused.")
    job = store().job(key)
    if job is None or job.get("deleted"):
        raise NotFound(f"There is no job {key}.")
    return job


def _source(project: str) -> Document:
    """Return what is known of the project's source. Raises NotFound for one that has none."""
    sync = store().job(f"{project}/{SYNC}")
    if sync is None or sync.get("deleted"):
        raise NotFound(f"There is no project {project} that is synced from somewhere.")
    told = (store().status("projects") or {}).get("projects", [])
    return next((one for one in told if one["id"] == project), {"id": project})
