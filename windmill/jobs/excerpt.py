"""The lines around a problem, as they may be shown to everybody who may read: what could be a secret is not in them.

People write passwords where they should not. A name does not say surely what is one, so that no value under `env` is
shown, whatever its key; elsewhere none whose key or option sounds like a secret, and no user in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from windmill.core.errors import Problem
from windmill.jobs.strict_yaml import MAX_BYTES

LONGEST: Final = 200  # characters of a line
AROUND: Final = 1  # lines before and after
HIDDEN: Final = "•••"
_BREAK: Final = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
_ENV: Final = re.compile(r"""(?:^|(?<=[\s{,?-]))["']?env["']?\s*:""")
_KEY: Final = re.compile(r"""\s*(?:-\s+)*(?:"[^"]*"|'[^']*'|[\w.-]+)\s*:(?=\s|$)""")
_SECRET: Final = re.compile(
    r"""(?P<name>[\w.-]*(?:pass|pwd|secret|token|api.?key|private.?key|credential|auth)[\w.-]*["']?"""
    r"""(?:\s*[:=]|["']?\s*,|\s)\s*)(?P<value>[^\s,{}\[\]][^,}\]]*)""",
    re.IGNORECASE,
)
_USER: Final = re.compile(r"(?<=://)[^/@\s]+@")


def with_excerpts(problems: Iterable[Problem], content: bytes) -> list[Problem]:
    """Return the problems of a file, each with the lines around its place; those without a place as they are.

    The first line of an excerpt is the one before the problem's, or the problem's own where that is the first.
    """
    found = list(problems)
    if len(content) > MAX_BYTES or not any(problem.line for problem in found):
        return found
    lines = _BREAK.split(content.decode("utf-8-sig", "replace"))
    if len(lines) > 1 and not lines[-1]:  # what follows the last end of a line is no line
        lines.pop()
    shown = list(_masked(lines))
    return [replace(problem, excerpt=_around(shown, problem.line)) if problem.line else problem for problem in found]


def _around(lines: list[str], line: int) -> tuple[str, ...]:
    start, end = max(line - 1 - AROUND, 0), min(line + AROUND, len(lines))
    return tuple(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in lines[start:end])


def _masked(lines: Iterable[str]) -> Iterable[str]:
    """Yield the lines with nothing in them that could be a secret; every column before a masked value stays."""
    inside: int | None = None  # the indentation of the `env` whose values are being passed
    open_braces = 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or open_braces > 0 or indent > inside):
            open_braces += _braces(line)
            yield _value_hidden(line)
            continue
        inside = None
        if env := _ENV.search(line):
            inside, open_braces = indent, _braces(line[env.end() :])
            rest = line[env.end() :].strip()
            yield f"{line[: env.end()]} {HIDDEN}" if rest and not rest.startswith("#") else line
            continue
        yield _USER.sub(f"{HIDDEN}@", _SECRET.sub(rf"\g<name>{HIDDEN}", line))


def _braces(text: str) -> int:
    return text.count("{") - text.count("}")


def _value_hidden(line: str) -> str:
    if not line.strip() or line.lstrip().startswith("#"):
        return line if not line.strip() else line[: len(line) - len(line.lstrip())] + f"# {HIDDEN}"
    if key := _KEY.match(line):
        return f"{key[0]} {HIDDEN}" if line[key.end() :].strip() else line
    return line[: len(line) - len(line.lstrip())] + HIDDEN
