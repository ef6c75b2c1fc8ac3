"""What reads a home's job files: its own directory, its projects', and the revisions that were published."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from windmill.app.catalog import HomeCatalog
from windmill.app.home import SETTINGS_FILE, Home
from windmill.app.repository import Repository
from windmill.core.errors import Problem, WindmillError
from windmill.core.model import Catalog, Job
from windmill.jobs.lint import lint
from windmill.jobs.loader import Loader
from windmill.projects.known import KnownProjects, Project
from windmill.projects.settings import ProjectSettings
from windmill.scheduler.clock import now

LAST_GOOD: Final = "last-good"
LAST_GOOD_OF_PROJECTS: Final = "last-good-of-projects"
SETTLE_SECONDS: Final = 0.05


def catalog_reader(home: Home, state: Path | None = None) -> HomeCatalog:
    """Return what reads all job files of the home again and again, cheaply where nothing changed.

    Last good versions are kept under `state`, the home's own unless another is given.
    """
    kept = state or home.state
    projects = known_projects(home)

    def loader(directory: Path, last_good: Path, known: Any) -> Loader:
        return Loader(
            directory,
            show=home.shown,
            timezone=home.settings.timezone,
            defaults=home.settings.defaults,
            projects=known,
            last_good=last_good,
            clock=time.time,
            lint=warnings,
        )

    def loader_of(project: Project, directory: Path) -> Loader:
        only = {project.name: directory.parent}
        return loader(directory, kept / LAST_GOOD_OF_PROJECTS / project.name, lambda: only)

    return HomeCatalog(
        home=loader(home.root / "jobs.d", kept / LAST_GOOD, projects.paths),
        projects=projects,
        repository=repository(home),
        loader_of=loader_of,
        state=home.state,
        root=home.root,
    )


def known_projects(home: Home) -> KnownProjects:
    """Return the projects by what windmill.toml says whenever they are asked for."""
    return KnownProjects(home.root, home.state, LiveProjectSettings(home))


def repository(home: Home) -> Repository:
    """Return the reader of job files that lie in published revisions."""
    return Repository(timezone=home.settings.timezone, defaults=home.settings.defaults, lint=warnings)


def read_once(home: Home) -> Catalog:
    """Return all wanted jobs and every problem of their files, read now; nothing is written into the home.

    A file that seems to be in the middle of being written is given the moment it needs.
    """
    with tempfile.TemporaryDirectory(prefix="windmill-") as scratch:
        for name in (LAST_GOOD, LAST_GOOD_OF_PROJECTS):
            with contextlib.suppress(OSError):  # the last good versions belong to the scheduler; this is a copy
                shutil.copytree(home.state / name, Path(scratch) / name, dirs_exist_ok=True)
        reader = catalog_reader(home, Path(scratch))
        catalog = reader.load()
        while reader.unsettled:
            time.sleep(SETTLE_SECONDS)
            catalog = reader.load()
        return catalog


def warnings(job: Job) -> list[Problem]:
    """Return what is odd about a job that may run."""
    return lint(job, now=now())


class LiveProjectSettings:
    """The [projects] of windmill.toml as they are now; while the file cannot be used, as they were before."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._key = self._stat()
        self._known: Mapping[str, ProjectSettings] = home.settings.projects

    def __call__(self) -> Mapping[str, ProjectSettings]:
        """Return them by name of the project."""
        key = self._stat()
        if key != self._key:
            self._key = key
            with contextlib.suppress(WindmillError):
                self._known = Home(self._home.root, self._home.environ).settings.projects
        return self._known

    def _stat(self) -> tuple[int, int]:
        try:
            status = (self._home.root / SETTINGS_FILE).stat()
        except OSError:
            return (0, 0)
        return status.st_mtime_ns, status.st_ino
