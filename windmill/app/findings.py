"""Problems as programs of others show them: annotations of a GitHub workflow, and SARIF 2.1.0. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from windmill import __version__
from windmill.core.errors import Problem

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT: Final = "%SRCROOT%"  # what every place is relative to: the root of the repository
OTHER: Final = "job-file"  # the rule of problems without a code


def github(problems: Iterable[Problem]) -> list[str]:
    """Return a workflow command per problem, which GitHub shows beside the line it is about.

    The form is that of the workflow commands `error` and `warning`; only line ends, per cents and, within properties,
    colons and commas have to be escaped.
    """
    return [_command(problem) for problem in problems]


def sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """Return a SARIF log of one run: a rule per code, a result per problem, paths relative to the repository."""
    found = list(problems)
    rules = sorted({problem.code or OTHER for problem in found})
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "windmill",
                        "semanticVersion": __version__,
                        "rules": [_rule(code, found) for code in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
                "results": [_result(problem, rules) for problem in found],
            }
        ],
    }


def _command(problem: Problem) -> str:
    properties: dict[str, object] = {"file": problem.file}
    if problem.line:
        properties |= {"line": problem.line, "col": max(problem.column, 1)}
    properties["title"] = problem.code or OTHER
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{_level(problem)} {written}::{_data(_message(problem))}"


def _rule(code: str, found: list[Problem]) -> dict[str, Any]:
    levels = {_level(problem) for problem in found if (problem.code or OTHER) == code}
    return {
        "id": code,
        "shortDescription": {"text": code.replace("-", " ")},
        "defaultConfiguration": {"level": "error" if "error" in levels else "warning"},
    }


def _result(problem: Problem, rules: list[str]) -> dict[str, Any]:
    code = problem.code or OTHER
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(problem.file), "uriBaseId": ROOT}}
    if problem.line:
        place["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    return {
        "ruleId": code,
        "ruleIndex": rules.index(code),
        "level": _level(problem),
        "message": {"text": _message(problem)},
        "locations": [{"physicalLocation": place}] if problem.file else [],
    }


def _level(problem: Problem) -> str:
    return "warning" if problem.severity == "warning" else "error"


def _message(problem: Problem) -> str:
    """Return the problem's words without its place."""
    text = problem.message
    if problem.expected:
        text += f" (expected {problem.expected}" + (f", found {problem.found})" if problem.found else ")")
    return text + (f"\nhint: {problem.hint}" if problem.hint else "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
