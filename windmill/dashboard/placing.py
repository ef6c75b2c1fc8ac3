"""What the composer does for somebody who may act: it places files in jobs.d/, and takes in code."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import closing
from typing import Final
from urllib.parse import parse_qsl

from apiflask import APIBlueprint
from flask import Flask, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest

from windmill.core.errors import Refused, Unavailable, WindmillError
from windmill.core.wishes import wish
from windmill.dashboard.composer import draft_of, show
from windmill.dashboard.composing import Form, read
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.drafts import Record
from windmill.dashboard.gate import may_act, viewer

UPLOAD_PATH: Final = "/compose/upload"
UPLOAD_MAX: Final = 51 << 20  # bytes of a request: the largest file that is taken in, and what is said of it
SENT_MAX: Final = 500  # fields of a form

blueprint = APIBlueprint("placing", __name__, enable_openapi=False)


def install(app: Flask) -> None:
    """Let requests that bring a file be as large as that, for who may send one; before the form is looked at."""
    app.before_request(_make_room)


def _make_room() -> None:
    if request.endpoint == "placing.upload" and may_act():
        request.max_content_length = UPLOAD_MAX


@blueprint.post("/compose/place")
def place() -> ResponseReturnValue:
    """Write the file into jobs.d/; 409 with the reason where that may not be."""
    form = _sent()
    draft = draft_of(form)
    if draft.errors:
        return show(form, refusal=_("There is something to mend first: see below.")), 409
    content, replaces = draft.composed.text.encode(), request.form.get("replaces", "")
    about = {"job": draft.checked.key}
    try:
        facts().drafts.place(form["name"], content, replaces=replaces, record=_recorder("place", about))
    except Refused as error:
        return show(form, refusal=_sentence(error)), 409
    flash(_("Placed as %(file)s. The scheduler reads it at once.", file=f"jobs.d/{draft.file}"))
    return redirect(f"{url_for('composer.page')}?{form.query()}", 303)


@blueprint.post(UPLOAD_PATH)
def upload() -> ResponseReturnValue:
    """Put a .py or .zip under projects/; 409 with the reason where that may not be."""
    form = _sent()
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return show(form, refusal=_("Choose a file first.")), 400
    known, _colon, replaces = request.form.get("replaces", "").partition(":")
    if known and known.rpartition(".")[2] != sent.filename.rpartition(".")[2]:
        return show(form, refusal=_("A .py replaces a .py, and a .zip a .zip.")), 409
    try:
        with closing(sent):
            project = facts().drafts.upload(
                known or sent.filename, sent.stream, replaces=replaces, record=_recorder("upload", {})
            )
    except (Refused, Unavailable) as error:
        return show(form, refusal=_sentence(error)), 409
    flash(_("The project %(project)s is there.", project=project))
    filled = Form({**form.values, "project": project}, form.params)
    return redirect(f"{url_for('composer.page')}?{filled.query()}", 303)


def _recorder(kind: str, about: Mapping[str, str]) -> Record:
    """Return what records the act, for the audit: who, from where, what was there and what will be."""

    def record(file: str, before: str, after: str) -> None:
        identity, by, address = secrets.token_hex(16), viewer().name, request.remote_addr or ""
        asked = wish(kind, identity=identity, by=by, via="dashboard", at=now(), address=address, **about)
        answer = {"file": file, "before": before, "after": after}
        store(readonly=False).add_request(asked | {"state": "done", "answer": answer})

    return record


def _sent() -> Form:
    """Return the form of the composer as it stood when the button was pressed."""
    try:
        return read(parse_qsl(request.form.get("query", ""), max_num_fields=SENT_MAX))
    except ValueError:
        raise BadRequest("There are more fields than the form has.") from None


def _sentence(error: WindmillError) -> str:
    return f"{error.message}: {error.hint}" if error.hint else error.message
