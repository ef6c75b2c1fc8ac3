"""What is in an environment that was built: its Python, its packages, and when it was made."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from windmill.projects import sealed

PACKAGES_MAX: Final = 1000
_CONFIGURATION_MAX: Final = 1 << 16  # characters of pyvenv.cfg that are read
_DISTRIBUTION: Final = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A finished environment; `kind` is the file that asked for it, `count` says how many packages there are."""

    python: str
    kind: str
    packages: tuple[tuple[str, str], ...]  # name and version, PACKAGES_MAX at most
    count: int
    built_at: datetime


def contents(directory: Path) -> Contents | None:
    """Return what is in the environment in the directory, None where none was finished there. Runs nothing of it."""
    facts = sealed.facts(directory)
    if facts is None:
        return None
    with suppress(OSError):
        found = sorted(_packages(directory), key=lambda one: one[0].lower())
        return Contents(
            python=_python(directory),
            kind=str(facts.get("kind", "")),
            packages=tuple(found[:PACKAGES_MAX]),
            count=len(found),
            built_at=datetime.fromtimestamp(int(directory.stat().st_mtime), UTC),  # its marker is the last file in it
        )
    return None


def _packages(directory: Path) -> list[tuple[str, str]]:
    return [
        (match["name"], match["version"])
        for place in (directory / "lib").glob("python*/site-packages")
        for name in os.listdir(place)  # noqa: PTH208 - names are all that is asked for
        if (match := _DISTRIBUTION.fullmatch(name))
    ]


def _python(directory: Path) -> str:
    with suppress(OSError), (directory / "pyvenv.cfg").open(encoding="utf-8", errors="replace") as file:
        found = re.search(r"^version_info\s*=\s*(\S+)", file.read(_CONFIGURATION_MAX), re.MULTILINE)
        return found[1] if found else ""
    return ""
