"""The parameters of a job as fields of a form, and what was written into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext as _

from windmill.core.model import Param
from windmill.core.params import as_text, checked

PREFIX: Final = "param."  # of the names of fields, so that no parameter is taken for something else
STEPS: Final = {"integer": "1", "number": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter as it is shown: `options` to choose from, else `step` for numbers, else a line of text."""

    name: str
    label: str
    value: str
    description: str
    default: str
    required: bool
    options: tuple[str, ...]
    step: str
    mistake: str


def written(params: Sequence[Param], form: Mapping[str, str]) -> dict[str, str]:
    """Return what was written for each parameter; empty text is a value where it stands for a default text."""
    found = {param.name: form.get(PREFIX + param.name) for param in params}
    empty = {param.name for param in params if param.type == "string" and param.default and not param.enum}
    return {name: value for name, value in found.items() if value is not None and (value or name in empty)}


def shown(params: Sequence[Param], given: Mapping[str, Any], *, judged: bool) -> tuple[list[Field], dict[str, Any]]:
    """Return the fields with what was given, and the typed values, which hold where no field has a mistake.

    Without `judged` the form is new: nothing of it is a mistake, and defaults stand where nothing was given.
    """
    values, mistakes = checked(params, given)
    if not judged:
        defaults = {param.name: param.default for param in params if param.default is not None}
        given, mistakes = {**defaults, **given}, {}
    return [_field(param, given.get(param.name), wrong=param.name in mistakes) for param in params], values


def _field(param: Param, given: Any, *, wrong: bool) -> Field:
    return Field(
        name=PREFIX + param.name,
        label=param.name,
        value="" if given is None else as_text(given),
        description=param.description,
        default="" if param.default is None else as_text(param.default),
        required=param.required,
        options=_options(param),
        step=STEPS.get(param.type, ""),
        mistake=_mistake(param, given) if wrong else "",
    )


def _options(param: Param) -> tuple[str, ...]:
    return tuple(map(as_text, param.enum)) or (("true", "false") if param.type == "boolean" else ())


def _mistake(param: Param, given: Any) -> str:
    if given is None:
        return str(_("This is needed: the job has no default for it."))
    if options := _options(param):
        return str(_("Choose one of: %(options)s.", options=", ".join(options)))
    if param.type == "integer":
        return str(_("Write a whole number."))
    return str(_("Write a number."))
