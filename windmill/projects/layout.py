"""Plain projects: what lies under `projects/` of a home."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from windmill.core import paths
from windmill.core.errors import NotFound, WindmillError
from windmill.core.model import Location

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SCRIPT: Final = ".py"


class ProjectFolders:
    """The projects of a home: every directory under `projects/`, and every single file `projects/NAME.py`.

    Hidden names, and names a project cannot have, are no projects. Where a directory and a file give one name, the
    directory counts. The directory itself may be a link to anywhere; a single file that links out of `projects/`
    is refused, since its root is `projects/`. `python` runs the projects without an environment `.venv` of their own.
    """

    def __init__(self, home: Path, python: str = sys.executable) -> None:
        self._directory = home / "projects"
        self._python = python

    def paths(self) -> dict[str, Path]:
        """Return each project's directory, or its file if it is a single one, by name; none when unreadable."""
        directories, scripts = {}, {}
        try:
            for entry in sorted(self._directory.iterdir()):
                if entry.is_dir() and _NAME.fullmatch(entry.name):
                    directories[entry.name] = entry
                elif entry.suffix == _SCRIPT and _NAME.fullmatch(entry.stem) and self._stays(entry):
                    scripts[entry.stem] = entry
        except OSError:
            return {}
        return {**scripts, **directories}

    def names(self) -> list[str]:
        """Return the names of all projects, sorted."""
        return sorted(self.paths())

    def locate(self, project: str) -> Location:
        """Return where the project's code is; `root` of a single file is `projects/`.

        Raises NotFound naming the projects there are.
        """
        path = self.paths().get(project)
        if path is None:
            known = ", ".join(self.names()) or "none"
            raise NotFound(f'there is no project "{project}"', hint=f"projects under {self._directory}: {known}")
        if not path.is_dir():
            return Location(root=str(self._directory.absolute()), revision=None, python=self._python)
        own = path.absolute() / ".venv" / "bin" / "python"
        return Location(root=str(path.absolute()), revision=None, python=str(own) if own.exists() else self._python)

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
