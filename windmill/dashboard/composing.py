"""What stands in the composer's form, as a job's document and its YAML. Pure; `copying` is the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from flask_babel import gettext as _

from windmill.dashboard.careful_yaml import dump
from windmill.dashboard.drafts import Path

MODELINE: Final = "# yaml-language-server: $schema=../.windmill/job.schema.json\n"
UNITS: Final = ("days", "hours", "minutes", "seconds")
# Every field of the form, and how many characters it takes. All of them travel in a link.
FIELDS: Final = {
    "project": 100, "entry_point": 1024, "name": 100, "description": 200, "notes": 4000,
    "when": 10, **dict.fromkeys(UNITS, 20), "cron": 500, "at": 40,
    "start_at": 40, "end_at": 40, "timezone": 100, "overrun": 20, "catch_up": 20, "after": 4000,
    "timeout": 64, "retry_limit": 20, "retry_delay": 64,
    "args": 4000, "env": 4000, "labels": 2000, "owner": 200, "held": 5, "rest": 4000,
}  # fmt: skip
LINES: Final = frozenset({"after", "notes", "args", "env", "labels", "rest"})  # fields of several lines
PARAM_FIELDS: Final = {"name": 200, "type": 10, "default": 1000, "required": 5, "enum": 1000, "about": 500}
PARAMS_MAX: Final = 30
WHENS: Final = ("interval", "cron", "at", "manual")
# The keys of a job file in the order in which people read them.
ORDER: Final = (
    "name", "description", "project", "entry_point", "args", "working_dir", "env", "env_file", "secrets", "params",
    "schedule", "timeout", "kill_grace", "retry", "success_exit_codes", "fail_on_stderr", "group", "after", "limits",
    "output", "keep", "expect", "notify", "heartbeat", "terminal", "enabled", "labels", "owner",
)  # fmt: skip
SCHEDULE_ORDER: Final = (
    "interval", "cron", "at", "start_at", "end_at", "timezone", "max_runs", "overrun", "catch_up",
    "catch_up_window", "spread", "skip_dates",
)  # fmt: skip

WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,15})")
DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,9})\.[0-9]{1,9}")


class Mistake(NamedTuple):
    """What keeps a field from being understood."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the fields, "" where nothing does; `params` has one mapping for each row."""

    values: Mapping[str, str]
    params: tuple[Mapping[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def query(self) -> str:
        """Return the form as the query of a link, which `read` understands."""
        pairs = [(name, value) for name, value in self.values.items() if value]
        pairs += [(f"param_{name}", row.get(name, "")) for row in self.params for name in PARAM_FIELDS]
        return urlencode(pairs)


@dataclass(frozen=True, slots=True)
class Composed:
    """The job as its document, and what of the form could not be taken over."""

    document: Mapping[str, Any]
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The file of this job."""
        return MODELINE + dump(self.document)


def read(pairs: Iterable[tuple[str, str]]) -> Form:
    """Return the form that was sent; what belongs to no field is left out, and of one sent twice the last counts."""
    sent = [(name, _plain(value)) for name, value in pairs]
    values = {name: value if name in LINES else value.strip() for name, value in sent if name in FIELDS}
    columns = {name: [value for sent_as, value in sent if sent_as == f"param_{name}"] for name in PARAM_FIELDS}
    count = min(max(map(len, columns.values())), PARAMS_MAX + 1)
    rows = ({name: column[n] if n < len(column) else "" for name, column in columns.items()} for n in range(count))
    return Form(values, tuple(row for row in rows if any(row[name] for name in row if name != "type")))


def compose(form: Form, rest: Mapping[str, Any]) -> Composed:
    """Return the job that the form describes, without what holds anyway; `rest` are the keys without a field.

    Nothing is judged here but what no document could say; numbers are numbers where they look like that, and
    whatever else stands in a field is text.
    """
    mistakes = list(_too_long(form))
    document: dict[str, Any] = {name: form[name] for name in ("name", "project", "entry_point") if form[name]}
    if about := "\n\n".join(filter(None, (form["description"], form["notes"].strip("\n")))):
        document["description"] = about
    document["args"] = [value_of(line) for line in _lines(form["args"])]
    for name in ("env", "labels"):
        document[name] = _mapping(name, form[name], mistakes)
    document["params"] = [_param(row) for row in form.params]
    document["schedule"] = _schedule(form)
    document["after"] = [_above(line) for line in _lines(form["after"])]
    document["timeout"] = _number(form["timeout"])
    document["retry"] = some({"limit": _number(form["retry_limit"]), "delay": _number(form["retry_delay"])})
    document["owner"] = form["owner"]
    document = some(document)
    if form["held"]:
        document["enabled"] = False
    return Composed(_ordered(_joined(document, rest, mistakes), ORDER), mistakes)


def field_of(path: Path) -> str:
    """Return the field that a key of the document was written in."""
    if not path:
        return "name"
    top = str(path[0])
    if top in ("schedule", "retry") and len(path) > 1:
        inner = str(path[1])
        known = {"limit": "retry_limit", "delay": "retry_delay", "interval": "when"}.get(inner, inner)
        return known if known in FIELDS else "rest"
    named = {"schedule": "when", "retry": "retry_limit", "enabled": "held"}.get(top, top)
    return named if named in FIELDS or named == "params" else "rest"


def some(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that say something."""
    return {key: value for key, value in values.items() if value not in ("", [], {}, None)}


def value_of(line: str) -> str:
    """Return the text of a line: what stands between double quotes, where all of it does, else all of it."""
    if line.strip().startswith('"'):
        try:
            read = json.loads(line)
        except ValueError:
            return line
        return read if isinstance(read, str) else line
    return line


def _plain(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _too_long(form: Form) -> Iterator[Mistake]:
    for name, most in FIELDS.items():
        if len(form[name]) > most:
            yield Mistake(name, _("This is too long: at most %(most)d characters.", most=most))
    for row in form.params:
        if any(len(row.get(name, "")) > most for name, most in PARAM_FIELDS.items()):
            yield Mistake("params", _("A parameter is too long."))
    if len(form.params) > PARAMS_MAX:
        yield Mistake("params", _("At most %(most)d parameters have room here.", most=PARAMS_MAX))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _mapping(name: str, text: str, mistakes: list[Mistake]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(text):
        word, equals, value = line.partition("=")
        word = word.strip()
        if not equals or not word:
            mistakes.append(
                Mistake(name, _("Each line is NAME=value, and this one is not: %(line)s", line=line[:60]))
            )
        elif word in found:
            mistakes.append(Mistake(name, _("%(name)s stands here twice.", name=word[:60])))
        else:
            found[word] = value_of(value)
    return found


def _above(line: str) -> dict[str, str]:
    """Return what a line says of a job before: its name, and how it has to end where that is not the usual."""
    job, _gap, when = line.strip().partition(" ")
    return {"job": job} | ({"when": when.strip()} if when.strip() not in ("", "success") else {})


def _number(text: str) -> str | int | float:
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if DECIMAL.fullmatch(text) else text


def _typed(text: str, kind: str) -> Any:
    if kind == "string":
        return value_of(text)
    return {"true": True, "false": False}.get(text.strip().lower(), _number(text.strip()))


def _param(row: Mapping[str, str]) -> dict[str, Any]:
    kind = row.get("type") or "string"
    written: dict[str, Any] = {"name": row.get("name", "").strip()}
    if kind != "string":
        written["type"] = kind
    if row.get("default"):
        written["default"] = _typed(row["default"], kind)
    if row.get("required"):
        written["required"] = True
    if choices := [_typed(line, kind) for line in _lines(row.get("enum", ""))]:
        written["enum"] = choices
    return written | some({"description": row.get("about", "")})


def _schedule(form: Form) -> dict[str, Any]:
    when = form["when"] or "manual"
    if when == "manual":
        return {}
    trigger: Any = form[when]
    if when == "interval":
        parts = {unit: _number(form[unit]) for unit in UNITS if form[unit]}
        trigger = {unit: count for unit, count in parts.items() if count != 0} or parts
    usual = {"overrun": "run_now", "catch_up": "none"}
    keys = ("start_at", "end_at", "timezone", "overrun", "catch_up")
    return {when: trigger} | some({key: form[key] for key in keys if form[key] != usual.get(key)})


def _joined(document: dict[str, Any], rest: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, Any]:
    """Return both; what is said by a field and again by `rest` is a mistake, and the field counts."""
    joined = {**rest, **document}
    twice = []
    for key in rest.keys() & document.keys():
        ours, theirs = document[key], rest[key]
        if isinstance(ours, dict) and isinstance(theirs, Mapping):
            joined[key] = {**theirs, **ours}
            twice += [f"{key}.{inner}" for inner in sorted(map(str, ours.keys() & theirs.keys()))]
        else:
            twice.append(key)
    words = _("Said here and in a field above: %(keys)s. Keep one of them.", keys=", ".join(sorted(twice)))
    mistakes += [Mistake("rest", words)] if twice else []
    return joined


def _ordered(document: Mapping[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    known = {key: document[key] for key in order if key in document}
    if isinstance(known.get("schedule"), Mapping):
        known["schedule"] = _ordered(known["schedule"], SCHEDULE_ORDER)
    return known | {key: value for key, value in document.items() if key not in known}
