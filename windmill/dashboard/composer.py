"""/compose: a form that writes the file of a job, for a commit, or, for who may act, for the home's own jobs.d/."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from zoneinfo import available_timezones

from apiflask import APIBlueprint
from flask import render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.exceptions import NotFound

from windmill.core.errors import Problem
from windmill.dashboard import words
from windmill.dashboard.careful_yaml import dump
from windmill.dashboard.composing import FIELDS, Composed, Form, Mistake, compose, field_of, read
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.copying import form_of
from windmill.dashboard.drafts import Checked, Source
from windmill.dashboard.gate import may_act

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
    "after": lazy_gettext("After other jobs"),
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
MORE: Final = (
    "timeout",
    "retry_limit",
    "retry_delay",
    "args",
    "env",
    "params",
    "labels",
    "owner",
    "held",
    "notes",
    "rest",
)
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

blueprint = APIBlueprint("composer", __name__, url_prefix="/compose", enable_openapi=False)


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


@blueprint.get("")
def page() -> str:
    """Show the form as the query fills it in, what comes of it, and what is wrong; `job` begins with a copy."""
    return show(_asked())


@blueprint.get("/file")
def file() -> ResponseReturnValue:
    """Return the YAML as a file to be kept."""
    draft = draft_of(_asked())
    content = BytesIO(draft.composed.text.encode())
    return send_file(content, mimetype="application/yaml", as_attachment=True, download_name=draft.file)


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


def draft_of(form: Form) -> Draft:
    """Return what the form comes to as things are now."""
    drafts = facts().drafts
    rest, wrong = drafts.keys_of(form["rest"])
    composed = compose(form, rest)
    checked = drafts.check(composed.text.encode(), form["name"], now())
    composed.mistakes.extend(Mistake("rest", _in_words(problem, line=problem.line)) for problem in wrong)
    troubles: dict[str, list[Trouble]] = {}
    for mistake in composed.mistakes:
        troubles.setdefault(mistake.field, []).append(Trouble(mistake.words))
    if not form["name"]:
        troubles.setdefault("name", []).append(Trouble(_("Give the job a name.")))
    for path, problem in checked.findings:
        if problem.code == "name":  # that of the file, which is the job's here
            continue
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
    words = _(
        "%(file)s describes a job of this name already: change it there, or choose another name.", file=known["file"]
    )
    return str(words)


def show(form: Form, *, refusal: str = "") -> str:
    """Return the page of the form; `refusal` says why what was asked for was not done."""
    asked = bool(form.values.keys() - {"project"})
    drafts = facts().drafts
    sources = drafts.sources()
    if not form["project"] and len(sources) == 1:
        form = Form({**form.values, "project": sources[0].name}, form.params)
    draft = draft_of(form)
    listing = drafts.listing(form["project"])
    return render_template(
        "composer.html",
        asked=asked,
        draft=draft,
        form=form,
        more=bool(form.params) or any(form[name] or name in draft.troubles for name in MORE),
        rows=[*form.params, {}],
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
