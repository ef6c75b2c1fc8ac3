"""/compose: a form that writes the file of a job, for a commit, or, for who may act, for the home's own jobs.d/."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import available_timezones

from apiflask import APIBlueprint
from flask import Flask, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.exceptions import NotFound

from windmill.core.errors import Problem, Refused, Unavailable, WindmillError
from windmill.core.wishes import wish
from windmill.dashboard import words
from windmill.dashboard.careful_yaml import dump
from windmill.dashboard.composing import FIELDS, Composed, Form, Mistake, compose, field_of, form_of, read
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.drafts import Checked, Source
from windmill.dashboard.gate import may_act, viewer

UPLOAD_MAX: Final = 51 << 20  # bytes of a request: the largest file that is taken in, and what is said of it
SENT_MAX: Final = 500  # fields of a form
GIT: Final = "git"
LABELS: Final = {
    "project": lazy_gettext("Project"),
    "entry_point": lazy_gettext("Entry point"),
    "name": lazy_gettext("Name"),
    "description": lazy_gettext("Description"),
    "notes": lazy_gettext("Runbook"),
    "when": lazy_gettext("Schedule"),
    "cron": lazy_gettext("Cron expression"),
    "at": lazy_gettext("Date and time"),
    "start_at": lazy_gettext("Not before"),
    "end_at": lazy_gettext("Not after"),
    "timezone": lazy_gettext("Time zone"),
    "overrun": lazy_gettext("When it still runs"),
    "catch_up": lazy_gettext("After downtime"),
    "timeout": lazy_gettext("Timeout"),
    "retry_limit": lazy_gettext("Further attempts"),
    "retry_delay": lazy_gettext("Wait before another"),
    "args": lazy_gettext("Arguments"),
    "env": lazy_gettext("Environment"),
    "params": lazy_gettext("Parameters"),
    "labels": lazy_gettext("Labels"),
    "owner": lazy_gettext("Owner"),
    "held": lazy_gettext("Enabled"),
    "rest": lazy_gettext("Further keys"),
}
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

blueprint = APIBlueprint("composer", __name__, url_prefix="/compose", enable_openapi=False)
acting = APIBlueprint("composing", __name__, url_prefix="/compose", enable_openapi=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the page says beside a field."""

    words: str
    error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A form, and everything that follows from it. `there` is what the file of its name holds now."""

    form: Form
    composed: Composed
    checked: Checked
    troubles: Mapping[str, list[Trouble]]  # by field
    source: Source | None
    there: bytes | None

    @property
    def errors(self) -> int:
        """How many things are to be mended before this is a job."""
        return sum(one.error for found in self.troubles.values() for one in found)

    @property
    def file(self) -> str:
        """The name under which it lies in jobs.d/; a placeholder while the job has no name."""
        name = self.form["name"]
        return f"{name if _FILE_NAME.fullmatch(name) else 'job'}.yaml"

    @property
    def git(self) -> bool:
        """Whether its code comes from git, where its definition then belongs, too."""
        return self.source is not None and self.source.kind == GIT

    @property
    def replaces(self) -> str:
        """The sha256 of what the file holds now, "" for nothing."""
        return "" if self.there is None else hashlib.sha256(self.there).hexdigest()

    @property
    def placed(self) -> bool:
        """Whether the file holds exactly this."""
        return self.there == self.composed.text.encode()

    @property
    def changes(self) -> str:
        """What the file would change by, line for line."""
        before = (self.there or b"").decode(errors="replace").splitlines()
        return "\n".join(list(unified_diff(before, self.composed.text.splitlines(), n=2, lineterm=""))[2:])


def install(app: Flask) -> None:
    """Let requests that bring a file be as large as that, for who may send one; before the form is looked at."""
    app.before_request(_make_room)


def _make_room() -> None:
    if request.endpoint == "composing.upload" and may_act():
        request.max_content_length = UPLOAD_MAX


@blueprint.get("")
def page() -> str:
    """Show the form as the query fills it in, what comes of it, and what is wrong; `job` begins with a copy."""
    return _page(_asked())


@blueprint.get("/file")
def file() -> ResponseReturnValue:
    """Return the YAML as a file to be kept."""
    draft = _draft(_asked())
    content = BytesIO(draft.composed.text.encode())
    return send_file(content, mimetype="application/yaml", as_attachment=True, download_name=draft.file)


@acting.post("/place")
def place() -> ResponseReturnValue:
    """Write the file into jobs.d/; 409 with the reason where that may not be."""
    form = read(parse_qsl(request.form.get("query", ""), max_num_fields=SENT_MAX))
    draft = _draft(form)
    if draft.errors:
        return _page(form, refusal=_("There is something to mend first: see below.")), 409
    content, replaces = draft.composed.text.encode(), request.form.get("replaces", "")
    about = {"job": draft.checked.key}
    try:
        facts().drafts.place(form["name"], content, replaces=replaces, record=_recorder("place", about))
    except Refused as error:
        return _page(form, refusal=_sentence(error)), 409
    flash(_("Placed as %(file)s. The scheduler reads it at once.", file=f"jobs.d/{draft.file}"))
    return redirect(f"{url_for('composer.page')}?{form.query()}", 303)


@acting.post("/upload")
def upload() -> ResponseReturnValue:
    """Put a .py or .zip under projects/; 409 with the reason where that may not be."""
    form = read(parse_qsl(request.form.get("query", ""), max_num_fields=SENT_MAX))
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _page(form, refusal=_("Choose a file first.")), 400
    known, _colon, replaces = request.form.get("replaces", "").partition(":")
    if known and known.rpartition(".")[2] != sent.filename.rpartition(".")[2]:
        return _page(form, refusal=_("A .py replaces a .py, and a .zip a .zip.")), 409
    try:
        project = facts().drafts.upload(
            known or sent.filename, sent.stream, replaces=replaces, record=_recorder("upload", {})
        )
    except (Refused, Unavailable) as error:
        return _page(form, refusal=_sentence(error)), 409
    flash(_("The project %(project)s is there.", project=project))
    filled = Form({**form.values, "project": project}, form.params)
    return redirect(f"{url_for('composer.page')}?{filled.query()}", 303)


def _recorder(kind: str, about: Mapping[str, str]) -> Any:
    """Return what records the act, for the audit: who, from where, what was there and what will be."""

    def record(file: str, before: str, after: str) -> None:
        identity, by, address = secrets.token_hex(16), viewer().name, request.remote_addr or ""
        asked = wish(kind, identity=identity, by=by, via="dashboard", at=now(), address=address, **about)
        answer = {"file": file, "before": before, "after": after}
        store(readonly=False).add_request(asked | {"state": "done", "answer": answer})

    return record


def _asked() -> Form:
    """Return the form of the query; one that only names a job is filled in from that."""
    key = request.args.get("job", "")
    form = read(request.args.items(multi=True))
    if key and not form.values:
        job = store().job(key)
        if job is None or "document" not in job:
            raise NotFound(_("There is no job %(job)s.", job=key))
        form, rest = form_of(job["document"], project=job["project"], name=job["name"])
        return Form({**form.values, "rest": dump(rest) if rest else ""}, form.params)
    if picked := request.args.get("pick"):
        return Form({**form.values, "entry_point": picked}, form.params)
    return form


def _draft(form: Form) -> Draft:
    drafts = facts().drafts
    rest, wrong = drafts.keys_of(form["rest"])
    composed = compose(form, rest)
    checked = drafts.check(composed.text.encode(), form["name"], now())
    composed.mistakes.extend(Mistake("rest", _in_words(problem, line=problem.line)) for problem in wrong)
    troubles: dict[str, list[Trouble]] = {}
    for mistake in composed.mistakes:
        troubles.setdefault(mistake.field, []).append(Trouble(mistake.words))
    for path, problem in checked.findings:
        told = Trouble(_in_words(problem), problem.severity == "error")
        troubles.setdefault(field_of(path), []).append(told)
    if claim := _claimed(checked.key, f"jobs.d/{form['name']}.yaml"):
        troubles.setdefault("name", []).append(Trouble(claim))
    ordered = {name: troubles[name] for name in (*FIELDS, "params") if name in troubles}
    return Draft(
        form=form,
        composed=composed,
        checked=checked,
        troubles=ordered,
        source=next((source for source in drafts.sources() if source.name == form["project"]), None),
        there=drafts.job_file(form["name"]),
    )


def _claimed(key: str, file: str) -> str:
    """Return why the job cannot be described by this file: another one does."""
    known = store().job(key) if key else None
    if known is None or known["deleted"] or known.get("system") or known["file"] == file:
        return ""
    return _(
        "%(file)s describes a job of this name already: change it there, or choose another name.", file=known["file"]
    )


def _page(form: Form, *, refusal: str = "") -> str:
    asked = bool(form.values.keys() - {"project"})
    drafts = facts().drafts
    sources = drafts.sources()
    if not form["project"] and len(sources) == 1:
        form = Form({**form.values, "project": sources[0].name}, form.params)
    draft = _draft(form)
    listing = drafts.listing(form["project"])
    return render_template(
        "composer.html",
        asked=asked,
        draft=draft,
        form=form,
        labels=LABELS,
        limits=FIELDS,
        sources=sources,
        listing=listing,
        tree=tree(listing.files),
        zones=zones(),
        troubles=draft.troubles,
        refusal=refusal,
        known=store().job(draft.checked.key) if draft.checked.key else None,
        uploaded=[(one.file, drafts.digest_of(one.file)) for one in sources if one.file] if may_act() else [],
        starts=[(start, words.relative(start, now())) for start in draft.checked.starts],
    )


def tree(files: Iterable[str]) -> dict[str, Any]:
    """Return the paths as directories in directories: names to mappings, and under "" the files that lie there."""
    top: dict[str, Any] = {"": []}
    for path in files:
        here = top
        *directories, _name = path.split("/")
        for name in directories:
            here = here.setdefault(name, {"": []})
        here[""].append(path)
    return top


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """Return the names of time zones that people use."""
    return sorted(name for name in available_timezones() if name == "UTC" or ("/" in name and name[:4] != "Etc/"))


def _in_words(problem: Problem, *, line: int = 0) -> str:
    wanted = _("expected %(expected)s", expected=problem.expected) if problem.expected else ""
    found = _("found %(found)s", found=problem.found) if problem.expected and problem.found else ""
    where = _("line %(line)d", line=line) if line else ""
    more = ", ".join(filter(None, (where, wanted, found)))
    return problem.message + (f" ({more})" if more else "") + (f": {problem.hint}" if problem.hint else "")


def _sentence(error: WindmillError) -> str:
    return f"{error.message}: {error.hint}" if error.hint else error.message
