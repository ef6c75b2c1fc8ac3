"""Problems of one document, each at its place, from what pydantic and the checks find."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import ErrorDetails

from windmill.core.errors import Problem
from windmill.jobs import models, words
from windmill.jobs.strict_yaml import Document, Path

_TYPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_pattern_mismatch": "letters, digits and _, not starting with a digit",
}
_BOUNDS: Final = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}
_SECTIONS: Final[dict[str, type[models.Strict]]] = {
    "schedule": models.ScheduleKeys,
    "retry": models.RetryKeys,
    "params": models.ParamKeys,
    "secrets": models.SecretKeys,
    "limits": models.LimitKeys,
    "output": models.OutputKeys,
    "after": models.AfterKeys,
    "keep": models.KeepKeys,
    "expect": models.ExpectKeys,
    "notify": models.NotifyKeys,
    "heartbeat": models.HeartbeatKeys,
}


class Complaints:
    """Collects the problems of one document; a place that was complained about already stays as it is."""

    def __init__(self, file: str, document: Document, known: list[Problem]) -> None:
        self.found: list[Problem] = []
        self.job = ""
        self._file = file
        self._document = document
        self._places = {(problem.line, problem.column) for problem in known}

    @property
    def errors(self) -> int:
        """How many of the problems found are errors."""
        return sum(problem.severity == "error" for problem in self.found)

    @property
    def fatal(self) -> bool:
        """True when the document cannot be used."""
        return self._document.broken or self.errors > 0

    def report(
        self,
        path: Path,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        hint: str = "",
        code: str = "",
        warning: bool = False,
        at_key: bool = False,
    ) -> None:
        """Add a problem at the value of `path`, or at its key."""
        place = self._document.place(path)
        if at_key:
            place = self._document.keys.get(path, place)
        if place in self._places and path:
            return
        self._places.add(place)
        self.found.append(
            Problem(
                file=self._file,
                line=place[0],
                column=place[1],
                message=message,
                expected=expected,
                found=found,
                hint=hint,
                severity="warning" if warning else "error",
                code=code,
                job=self.job,
            )
        )

    def add(self, error: ErrorDetails) -> None:
        """Add what pydantic says."""
        kind = error["type"]
        path: Path = tuple(part for part in error["loc"] if part != "[key]")
        if kind == "extra_forbidden":
            self._unknown_key(path)
        elif kind == "missing":
            self.report(path[:-1], f'"{path[-1]}" is missing', code="missing")
        else:
            expected, hint = expectation(error)
            written = self._document.written.get(path)
            found = written or describe(error["input"])
            if kind == "string_type" and written:
                hint = f'put it in quotes: "{written}"'
            if path[:1] == ("env",) and written:  # perhaps a password
                found, hint = "something else", hint and "put it in quotes"
            self.report(
                path,
                f"{dotted(path) or 'the document'} is not valid",
                expected=expected,
                found=found,
                hint=hint,
                code="value",
                at_key="[key]" in error["loc"],
            )

    def _unknown_key(self, path: Path) -> None:
        section = _SECTIONS.get(str(path[0])) if len(path) > 1 else models.JobKeys
        known = section.model_fields if section else ()
        name = str(path[-1])
        where = f" in {dotted(path[:-1])}" if path[:-1] else ""
        hint = words.for_key(name, known, top=not path[:-1])
        self.report(path, f'unknown key "{name[:80]}"{where}', hint=hint, code="unknown-key", at_key=True)


def dotted(path: Path) -> str:
    """Return the path as people write it: retry.delay, params[0].name."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")[:200]


def describe(value: Any) -> str:
    """Return a value as it may stand in a message: short, and on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            short = value if len(value) <= 60 else f"{value[:57]}..."  # noqa: PLR2004 -- what fits a line
            return '"' + short.replace("\n", "\\n") + '"'
        case dict():
            return "a mapping"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return str(value)


def expectation(error: ErrorDetails) -> tuple[str, str]:
    """Return what was expected, and a hint, for any error that is not about a missing or unknown key."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind], ""
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context), ""
    if kind in {"enum", "literal_error"}:
        return "one of " + context["expected"].replace(" or ", ", ").replace("'", ""), ""
    return context.get("expected", error["msg"]), context.get("hint", "")
