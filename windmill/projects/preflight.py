"""What is certain to fail in a tree, found without running any of its code."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from windmill.core.errors import Problem, WindmillError
from windmill.core.paths import is_module
from windmill.projects.bounded import finish
from windmill.projects.layout import inside

TIMEOUT: Final = 120.0  # seconds for all entry points together
MAX_ANSWER: Final = 4 << 20
_EXAMINE: Final = Path(__file__).with_name("examine.py")
_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL")
_WORDS: Final = {
    "syntax": "this Python cannot compile it: {what}",
    "import": 'the module "{what}" is not found in the environment of the project',
    "module": 'there is no module "{what}" to run',
}
_HINTS: Final = {
    "import": "add its package to the requirements, or mend the name",
    "module": "`-m package` needs package/__main__.py or package.py in the project",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a job starts. `file` and `line` are where that is written; `folder` is where `-m` starts, "" the root.

    `imports` says that modules are found as Python finds them without further help.
    """

    job: str
    entry_point: str
    file: str
    line: int = 1
    folder: str = ""
    imports: bool = True


def check(root: Path, entries: Sequence[Entry], *, python: str, say: Callable[[str], None]) -> list[Problem]:
    """Return the problems of the entry points: missing, leading out, not compiled by `python`, imports not found.

    Files that are reached by certain imports within the project are looked at too. Anything uncertain is no
    problem, also where the examination itself fails: then `say` tells so.
    """
    problems, left = [], []
    for entry in entries:
        found = _missing(root, entry)
        problems += found
        if not found and (is_module(entry.entry_point) or entry.entry_point.endswith(".py")):
            left.append(entry)
    known: set[tuple[str, int, str]] = set()
    for fact in _examined(root, left, python, say):
        place = (str(fact["file"]), int(fact["line"]), str(fact["what"]))
        if fact["file"] and place in known:
            continue  # one mistake in a module that several jobs import
        known.add(place)
        problems.append(_problem(fact, left))
    return problems


def _missing(root: Path, entry: Entry) -> list[Problem]:
    if is_module(entry.entry_point):
        return []

    def wrong(message: str, hint: str) -> list[Problem]:
        where = {"file": entry.file, "line": entry.line, "column": 1}
        return [Problem(**where, message=message, hint=hint, code="preflight", job=entry.job)]  # type: ignore[arg-type]

    try:
        path = inside(root, entry.entry_point)
    except WindmillError as error:
        return wrong(error.message, error.hint)
    if not path.is_file():
        return wrong(f'the entry point "{entry.entry_point}" does not exist in this revision', "mend entry_point")
    if not entry.entry_point.endswith(".py") and not os.access(path, os.X_OK):
        return wrong(f'the entry point "{entry.entry_point}" is not executable', f"chmod +x {path.name}, and commit")
    return []


def _examined(
    root: Path, entries: Sequence[Entry], python: str, say: Callable[[str], None]
) -> Iterator[Mapping[str, Any]]:
    if not entries:
        return
    wanted = {"root": str(root), "entries": [_wanted(root, entry) for entry in entries]}
    try:
        with subprocess.Popen(
            [python, "-I", "-S", str(_EXAMINE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={name: os.environ[name] for name in _PASSED if name in os.environ},
            start_new_session=True,
        ) as child:
            assert child.stdin is not None  # noqa: S101 - a pipe was asked for
            with child.stdin as pipe:
                pipe.write(json.dumps(wanted).encode())
            answer = finish(child, timeout=TIMEOUT, limit=MAX_ANSWER)
        facts = json.loads(answer.out) if answer.code == 0 else None
    except (OSError, ValueError) as error:
        say(f"the code was not examined: {error}")
        return
    if facts is None:
        said = answer.err.decode(errors="replace").strip().splitlines()
        say(f"the code was not examined: {said[-1] if said else 'no answer in time'}")
        return
    yield from facts


def _wanted(root: Path, entry: Entry) -> Mapping[str, object]:
    folder = root / entry.folder if is_module(entry.entry_point) else (root / entry.entry_point).parent
    return {
        "job": entry.job,
        "entry_point": entry.entry_point.strip(),
        "folder": str(folder),
        "imports": entry.imports,
    }


def _problem(fact: Mapping[str, Any], entries: Sequence[Entry]) -> Problem:
    kind = str(fact["kind"])
    entry = next(entry for entry in entries if entry.job == fact["job"])
    in_code = bool(fact["file"])
    return Problem(
        file=str(fact["file"]) if in_code else entry.file,
        line=int(fact["line"]) if in_code else entry.line,
        column=int(fact["column"]) if in_code else 1,
        message=_WORDS[kind].format(what=fact["what"]),
        hint=_HINTS.get(kind, ""),
        code="preflight",
        job=str(fact["job"]),
    )
