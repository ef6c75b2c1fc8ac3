"""Plain projects: what lies under `projects/` of a home."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from windmill.core import paths
from windmill.core.errors import WindmillError
from windmill.core.model import Location

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SCRIPT: Final = ".py"
_ARCHIVE: Final = ".zip"


class ProjectFolders:
    """What lies under `projects/`: every directory, every NAME.zip, and every single file NAME.py.

    Hidden names, and names a project cannot have, are no projects. The directory itself may be a link to anywhere;
    a single file that links out of `projects/` is refused. `python` runs the projects without an environment
    `.venv` of their own.
    """

    def __init__(self, home: Path, python: str = sys.executable) -> None:
        self.python = python
        self._directory = home / "projects"

    def directories(self) -> dict[str, Path]:
        """Return each directory by name; none when `projects/` cannot be read."""
        return {entry.name: entry for entry in self._entries() if _NAME.fullmatch(entry.name) and entry.is_dir()}

    def scripts(self) -> dict[str, Path]:
        """Return each single file NAME.py by NAME; none when `projects/` cannot be read."""
        return self._files(_SCRIPT)

    def archives(self) -> dict[str, Path]:
        """Return each NAME.zip by NAME; none when `projects/` cannot be read."""
        return self._files(_ARCHIVE)

    def in_place(self, path: Path) -> Location:
        """Return where executions of a directory start that is used as it is."""
        own = path.absolute() / ".venv" / "bin" / "python"
        return Location(root=str(path.absolute()), revision=None, python=str(own) if own.exists() else self.python)

    def _files(self, suffix: str) -> dict[str, Path]:
        return {
            entry.stem: entry
            for entry in self._entries()
            if entry.suffix == suffix and _NAME.fullmatch(entry.stem) and not entry.is_dir() and self._stays(entry)
        }

    def _entries(self) -> list[Path]:
        try:
            return sorted(self._directory.iterdir())
        except OSError:
            return []

    def _stays(self, script: Path) -> bool:
        try:
            inside(self._directory, script.name)
        except WindmillError:
            return False
        return script.is_file()


def inside(root: Path, relative: str) -> Path:
    """Return the path of `relative` below `root`, links not followed; it need not exist.

    Raises WindmillError when it is not a relative path in plain form or leads out of `root`, by links too.
    """
    wrong = paths.mistake_in(relative)
    if not wrong:
        try:
            if not (root / relative).resolve().is_relative_to(root.resolve()):
                wrong = "leads out of the project by a link"
        except (OSError, RuntimeError):
            wrong = "cannot be followed: its links go in circles"
    if wrong:
        raise WindmillError(f"the path {relative!r} {wrong}", hint="write a path inside the project, such as main.py")
    return root / relative
