"""Every project of a home: what kind it is, where its code is now, and what its last sync published."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from windmill.core.errors import NotFound, WindmillError
from windmill.core.model import Location
from windmill.projects import published
from windmill.projects.archive import digest
from windmill.projects.layout import ProjectFolders
from windmill.projects.published import Published, Revision
from windmill.projects.requirements import KINDS, find
from windmill.projects.revisions import Revisions, is_key
from windmill.projects.settings import ProjectSettings

NOTHING_YET: Final = "nothing-yet"  # stands for the tree of a project that was never published
KEY_DIGITS: Final = 40  # hex digits of a file's hash that name its revision


class Kind(StrEnum):
    """What a project is made from."""

    GIT = "git"
    ARCHIVE = "zip"
    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project; `path` is what lies under projects/, None for a git source."""

    name: str
    kind: Kind
    path: Path | None
    settings: ProjectSettings

    @property
    def syncs(self) -> bool:
        """True when its code or environment is made by a sync; a plain directory is used in place."""
        if self.kind is not Kind.DIRECTORY or self.path is None:
            return self.kind is not Kind.FILE
        if (self.path / ".venv").exists():
            return False
        return self.settings.python is not None or _has_requirements(self.path)


class KnownProjects:
    """`core.ports.Projects`, and what else is asked about projects. Of one name a git source counts, then a
    directory, a .zip, a single .py. `settings` answers with what windmill.toml says now.
    """

    def __init__(
        self,
        home: Path,
        state: Path,
        settings: Callable[[], Mapping[str, ProjectSettings]],
        python: str = sys.executable,
    ) -> None:
        self._folders = ProjectFolders(home, python)
        self._state = state
        self._settings = settings
        self._read: dict[str, tuple[tuple[int, int, int], Published]] = {}
        self._files: dict[str, tuple[tuple[int, int, int], Location]] = {}

    def all(self) -> dict[str, Project]:
        """Return every project by name, sorted."""
        settings = self._settings()
        nothing = ProjectSettings()
        found = {
            name: Project(name=name, kind=kind, path=path, settings=settings.get(name, nothing))
            for kind, paths in (
                (Kind.FILE, self._folders.scripts()),
                (Kind.ARCHIVE, self._folders.archives()),
                (Kind.DIRECTORY, self._folders.directories()),
            )
            for name, path in paths.items()
        }
        for name, wanted in settings.items():
            if wanted.git is not None:
                found[name] = Project(name=name, kind=Kind.GIT, path=None, settings=wanted)
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """Return the names of all projects, sorted."""
        return list(self.all())

    def paths(self) -> dict[str, Path]:
        """Return where each project's code can be looked at: a directory, or its file if it is a single one.

        What was never published is looked for where nothing is.
        """
        return {name: self._path(project) for name, project in self.all().items()}

    def locate(self, project: str) -> Location:
        """Return where the project's executions start now.

        Raises NotFound in words when there is no such project, or nothing of it was published yet.
        """
        return self._locate(self._known(project))

    def locate_at(self, project: str, revision: str | None) -> Location:
        """Return where an execution of an older revision starts; None stands for code that is used in place.

        Raises NotFound in words when there is no such project, or that revision of it is not on disk.
        """
        known = self._known(project)
        if revision is not None and known.kind is not Kind.FILE:
            found = published.described(self._state, project, key_of(revision))
            if found is None or not (Path(found.root).is_dir() and Path(found.python).exists()):
                raise NotFound(f"revision {revision} of {project} is not on disk")
            return replace(self.at(project, found), revision=revision)
        location = self._locate(known)
        if location.revision != revision:
            raise NotFound(
                f"{project} was changed since: what it was then is not kept"
                if revision
                else f"the execution names no revision of {project}, which has revisions now"
            )
        return location

    def keep(self, project: str, revision: str) -> None:
        """Let the revision stay on disk for another hour, where it has a directory of its own."""
        Revisions(self._state, project).keep(key_of(revision))

    def locations(self) -> dict[str, Location]:
        """Return every place executions start from: by project, and by job where its file is held at a revision."""
        found = {}
        for name, project in self.all().items():
            try:
                found[name] = self._locate(project)
            except (WindmillError, OSError):
                continue  # its jobs say so when they start
        return found

    def live(self, project: Project) -> Published:
        """Return what the syncs of the project published; what its name stood for before, as another kind, is not it.

        A state that cannot be read leaves the one that was read before, with the trouble told.
        """
        name = project.name
        try:
            status = published.path_of(self._state, name).stat()
        except OSError:
            return Published(project=name)
        key = (status.st_mtime_ns, status.st_ino, status.st_size)
        if (known := self._read.get(name)) is None or known[0] != key:
            try:
                state = published.read(self._state, name)
            except WindmillError as error:
                before = known[1] if known else Published(project=name)
                state = replace(before, trouble=f"{error.message}: {error.hint}")
            self._read[name] = known = (key, state)
        found = known[1]
        return found if found.kind in {"", project.kind} else Published(project=name)

    def at(self, project: str, revision: Revision) -> Location:
        """Return where executions of a published revision start."""
        revisions = Revisions(self._state, project)
        variables = {"PYTHONPYCACHEPREFIX": str(revisions.compiled(revision.key))}
        if revision.key:
            variables["WINDMILL_REVISION_ROOT"] = str(revisions.path(revision.key))
        return Location(
            root=revision.root,
            revision=revision.name or None,
            python=revision.python,
            author=revision.author,
            subject=revision.subject,
            env=variables,
        )

    def _known(self, project: str) -> Project:
        known = self.all()
        if project not in known:
            names = ", ".join(known) or "none"
            raise NotFound(f'there is no project "{project}"', hint=f"the projects of this home: {names}")
        return known[project]

    def _path(self, project: Project) -> Path:
        if project.path is not None and project.kind is not Kind.ARCHIVE:
            return project.path
        applied = self.live(project).applied
        return Path(applied.root) if applied else self._state / "revisions" / project.name / NOTHING_YET

    def _locate(self, project: Project) -> Location:
        if project.kind is Kind.FILE and project.path is not None:
            return self._file(project.name, project.path)
        applied = self.live(project).applied if project.syncs else None
        if applied is not None:
            return self.at(project.name, applied)
        if project.kind is Kind.DIRECTORY and project.path is not None:
            return self._folders.in_place(project.path)
        raise NotFound(
            f"nothing of the project {project.name} was published yet",
            hint=f"windmill sync {project.name} says why; windmill projects shows the last attempt",
        )

    def _file(self, name: str, path: Path) -> Location:
        """Return the place of a single file, which is used where it lies; its content names the revision."""
        status = path.stat()
        key = (status.st_mtime_ns, status.st_ino, status.st_size)
        if (known := self._files.get(name)) is None or known[0] != key:
            root = str(path.parent.absolute())
            place = Location(root=root, revision=f"sha256:{digest(path)}", python=self._folders.python)
            self._files[name] = known = (key, place)
        return known[1]


def key_of(revision: str) -> str:
    """Return the key of the revision of that name. Raises NotFound for a name that cannot be one."""
    ref, _, digest = revision.rpartition(":")
    key = digest if ref.endswith("@sha1") else digest[:KEY_DIGITS]
    if not is_key(key):
        raise NotFound(f"{revision[:100]!r} names no revision")
    return key


def _has_requirements(path: Path) -> bool:
    """Return True when the project asks for packages; its files are read again only when one of them changed."""
    return _asks_for_packages(path, tuple(_status(path / name) for name in KINDS))


@lru_cache(maxsize=4096)
def _asks_for_packages(path: Path, _statuses: tuple[tuple[int, int, int] | None, ...]) -> bool:
    try:
        return find(path) is not None
    except WindmillError:  # the sync says what is wrong with them
        return True


def _status(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
