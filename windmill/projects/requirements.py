"""What packages a project asks for, read from its files alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused, WindmillError
from windmill.projects import lockfiles
from windmill.projects.layout import inside
from windmill.projects.reader import Reader

_INCLUDE: Final = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_LINKS: Final = re.compile(r"(?:-f|--find-links)[\s=]*(\S+)")
_EDITABLE: Final = re.compile(r"(?:-e|--editable)\b")
_BY_PATH: Final = re.compile(
    r"(?:[\w.\[\],-]+\s*@\s*)?(?:file:|\.{0,2}/|\.(?:$|\[)|[^\s;=<>@:]+/|[^\s:]+\.(?:whl|zip|gz)(?:\s|$))"
)
_WHEEL: Final = re.compile(r"(?:\./)?([\w.+-]+(?:/[\w.+-]+)*\.whl)(?:\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a project asks for: `kind` is the file that says so, `files` all that are read, relative to its root.

    `digest` covers everything an installer is given: two projects with the same digest share an environment.
    `python` is a version (from .python-version) or a range (requires-python), None where the project says nothing.
    """

    kind: str
    files: tuple[str, ...]
    digest: str
    python: str | None = None


def find(root: Path) -> Requirements | None:
    """Return what the project asks for, None when it asks for nothing.

    The first of these files in the root counts, exact versions before ranges: requirements.lock, pylock.toml,
    uv.lock (beside a pyproject.toml), Pipfile.lock, requirements.txt, pyproject.toml with `dependencies`.
    Raises Refused for a file that cannot be used, and for packages named by a path.
    """
    for kind, take in KINDS.items():
        if not (root / kind).is_file() or (kind == "uv.lock" and not (root / lockfiles.PYPROJECT).is_file()):
            continue
        reader = Reader(root)
        if (python := take(reader, kind)) is None:
            continue
        digest = hashlib.sha256(json.dumps([kind, reader.digests], sort_keys=True).encode()).hexdigest()
        wanted = _python_version(root) or python or None
        return Requirements(kind=kind, files=tuple(reader.digests), digest=digest, python=wanted)
    return None


def _requirements(reader: Reader, name: str) -> str:
    for line in _lines(reader.text(name)):
        if include := _INCLUDE.match(line):
            _include(reader, name, include[1])
        elif links := _LINKS.match(line):
            _check_links(name, links[1])
        elif _EDITABLE.match(line) or (not line.startswith("-") and _BY_PATH.match(line)):
            _by_path(reader, name, line)
    return ""


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that mean something, continued ones joined, comments removed."""
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        if meant := re.sub(r"(^|\s)#.*$", "", line).strip():
            yield meant


def _include(reader: Reader, name: str, target: str) -> None:
    if "://" in target:
        raise Refused(f"{name} includes {_hidden(target)}", hint="only files of the project can be included")
    folder = name.rpartition("/")[0]
    inner = f"{folder}/{target}" if folder and not target.startswith("/") else target
    if inner not in reader.digests:
        _requirements(reader, inner)


def _check_links(name: str, target: str) -> None:
    if not target.startswith(("https://", "http://")):
        raise Refused(
            f"{name} looks for packages in {_hidden(target)}",
            hint="name the wheels one by one, or set UV_FIND_LINKS for all projects",
        )


def _by_path(reader: Reader, name: str, line: str) -> None:
    """Take a wheel of the project into the content; installers look for it from the root. Raises Refused."""
    wheel = _WHEEL.match(line)
    if wheel is None:
        raise Refused(
            f'{name}: "{_hidden(line[:100])}" names a package by its path',
            hint="remove it: the project's own modules need no installation; a wheel must lie inside the project",
        )
    if wheel[1] not in reader.digests:
        reader.read(wheel[1])


def _hidden(text: str) -> str:
    return re.sub(r"//[^/\s@]+@", "//***@", text)


def _python_version(root: Path) -> str:
    """Return the first version in .python-version; names of somebody's own installations mean nothing here."""
    try:
        with inside(root, ".python-version").open(encoding="utf-8", errors="replace") as file:
            words = file.read(4096).split()
    except (OSError, WindmillError):
        return ""
    return next((word for word in words if lockfiles.VERSION.fullmatch(word)), "")


KINDS: Final[Mapping[str, Callable[[Reader, str], str | None]]] = {
    "requirements.lock": _requirements,
    "pylock.toml": lockfiles.pylock,
    "uv.lock": lockfiles.uv_lock,
    "Pipfile.lock": lockfiles.pipfile,
    "requirements.txt": _requirements,
    lockfiles.PYPROJECT: lockfiles.pyproject,
}
