"""What of a project can be started, found without leaving it and without reading what lies there."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from windmill.core import paths
from windmill.dashboard.drafts import Listing

SHOWN_MAX: Final = 1000  # files
LOOKED_MAX: Final = 20_000  # entries of directories
DEPTH_MAX: Final = 8
PASSED_BY: Final = frozenset({"__pycache__", "node_modules", "jobs.d"})
_MAIN: Final = "__main__.py"


def entry_points(project: Path) -> Listing:
    """Return the .py files and executables below the project (or the one file it is), and its modules; sorted.

    Hidden names, directories behind links, and files behind links that lead out are left out.
    """
    if project.is_file():
        return Listing(files=(project.name,))
    walk = _walk(project)
    found = list(islice(walk, SHOWN_MAX))
    more = next(walk, None) is not None
    found.sort(key=lambda relative: (not relative.endswith(".py"), relative))
    modules = sorted(filter(paths.is_module, map(_module, (path for path in found if path.endswith("/" + _MAIN)))))
    return Listing(files=tuple(found), modules=tuple(modules), more=more)


def _module(main: str) -> str:
    return "-m " + main.removesuffix("/" + _MAIN).replace("/", ".")


def _walk(root: Path) -> Iterator[str]:
    """Yield what can be started, directory by directory, the nearer ones first."""
    waiting = deque([("", 0)])
    looked = 0
    while waiting:
        relative, depth = waiting.popleft()
        for entry in _entries(root / relative):
            looked += 1
            if looked > LOOKED_MAX:
                return
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < DEPTH_MAX and entry.name not in PASSED_BY:
                    waiting.append((path, depth + 1))
            elif _starts(entry, root, path):
                yield path


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            seen = [entry for _, entry in zip(range(LOOKED_MAX), entries, strict=False)]
    except OSError:
        return []
    return sorted((entry for entry in seen if _sayable(entry.name)), key=lambda entry: entry.name)


def _sayable(name: str) -> bool:
    return not name.startswith(".") and name.isprintable()


def _starts(entry: os.DirEntry[str], root: Path, relative: str) -> bool:
    try:
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve()):
            return False
        mode = entry.stat().st_mode
    except (OSError, RuntimeError):
        return False
    runs = relative.endswith(".py") or mode & stat.S_IXUSR
    return bool(stat.S_ISREG(mode) and runs and not paths.mistake_in(relative))
