"""Parameters of a start: typed values from what was given, and `${...}` replaced by them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import to_text
from windmill.core.errors import WindmillError
from windmill.core.model import Job, Param

Scalar = str | int | float | bool
FACTS: Final = ("slot", "execution", "attempt")
_REFERENCE: Final = re.compile(r"\$(\$\{|\{([^{}]*)(\}?))")
_WORDS: Final = {"true": True, "false": False}


def bind(job: Job, given: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return the value of every parameter of `job` that has one, in the order of their declaration.

    Text is read as the parameter's type. A parameter neither given nor with a default is left out unless it is
    required. Raises WindmillError naming all mistakes.
    """
    values, mistakes = checked(job.params, given)
    if mistakes:
        raise WindmillError(f"{job.key}: " + "; ".join(mistakes.values()))
    return values


def checked(params: Sequence[Param], given: Mapping[str, Scalar]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what `bind` does for parameters that are declared so, and what is wrong with which of them."""
    known = {param.name: param for param in params}
    names = "expected " + ", ".join(known) if known else "the job has none"
    mistakes = {name: f'unknown parameter "{name}": {names}' for name in given if name not in known}
    values: dict[str, Any] = {}
    for name, param in known.items():
        if name in given:
            value = typed(param, given[name])
            if value is None:
                mistakes[name] = f'parameter "{name}": expected {wanted(param)}, found {given[name]!r}'
            values[name] = value
        elif param.default is not None:
            values[name] = param.default
        elif param.required:
            mistakes[name] = f'parameter "{name}" is required: expected {wanted(param)}'
    return values, mistakes


def declared(job: Mapping[str, Any]) -> tuple[Param, ...]:
    """Return the parameters of a job from its document."""
    return tuple(Param(**{**param, "enum": tuple(param["enum"])}) for param in job.get("params") or ())


def typed(param: Param, given: Scalar) -> Scalar | None:
    """Return `given` as the parameter's type, or None when it is not one of its values."""
    value = _from_text(param.type, given) if isinstance(given, str) else given
    if value is not None and param.type == "number" and type(value) is int:
        value = float(value)
    if value is None or type(value) is not _TYPES[param.type]:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if not param.enum or value in param.enum else None


def wanted(param: Param) -> str:
    """Return what a value of the parameter must be, in words."""
    if param.enum:
        return "one of " + ", ".join(as_text(value) for value in param.enum)
    return {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}[
        param.type
    ]


def references(text: str) -> list[str]:
    """Return the names inside `${...}`, without escaped ones. Raises WindmillError for one that does not end."""
    names = []
    for match in _REFERENCE.finditer(text):
        if match[2] is None:
            continue
        if not match[3]:
            raise WindmillError(f'"${{" has no end in "{text[:80]}"', hint="write $${ for the characters themselves")
        names.append(match[2])
    return names


def interpolate(text: str, *, params: Mapping[str, Any], slot: datetime | None, execution: str, attempt: int) -> str:
    """Return `text` with `${params.NAME}`, `${slot}`, `${execution}` and `${attempt}` replaced; `$${` gives `${`.

    A parameter without a value and a missing slot give empty text. Raises WindmillError for any other name.
    """
    facts = {"slot": to_text(slot) or "", "execution": execution, "attempt": str(attempt)}

    def value(match: re.Match[str]) -> str:
        name = match[2]
        if name is None:
            return "${"
        if name.startswith("params."):
            return as_text(params.get(name.removeprefix("params."), ""))
        if name in facts and match[3]:
            return facts[name]
        raise WindmillError(f'"${{{name}" names nothing', hint="known: params.NAME, " + ", ".join(FACTS))

    return _REFERENCE.sub(value, text)


def as_text(value: Scalar) -> str:
    """Return the value as a job sees it: booleans are true and false."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_TYPES: Final = {"string": str, "integer": int, "number": float, "boolean": bool}


def _from_text(kind: str, text: str) -> Scalar | None:
    """Return the value that `text` spells for the type, or None."""
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return _WORDS.get(text.lower())
            case _:
                return text
    except ValueError:
        return None
