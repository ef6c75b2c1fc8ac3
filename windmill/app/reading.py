"""What reads a home's job files: its own directory, its projects', and the revisions that were published."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from windmill import settings
from windmill.app.catalog import HomeCatalog
from windmill.app.home import LAST_GOOD_SETTINGS, SETTINGS_FILE, SETTLE_SECONDS, Home
from windmill.app.repository import Repository
from windmill.app.unheard import without_extra
from windmill.core.errors import Problem, WindmillError
from windmill.core.model import Caps, Catalog, Job
from windmill.jobs.last_good import LastGood
from windmill.jobs.lint import lint
from windmill.jobs.loader import Loader
from windmill.projects.known import KnownProjects, Project
from windmill.projects.settings import ProjectSettings
from windmill.scheduler.clock import now

LAST_GOOD: Final = "last-good"
LAST_GOOD_OF_PROJECTS: Final = "last-good-of-projects"
SETTLE_EMPTY_SECONDS: Final = 0.25  # for a file that was emptied, most likely to be written anew
MISTAKE: Final = re.compile(r"(?:(windmill\.toml|WINDMILL_\w+)(?::(\d+))?(?::(\d+))?: )?(.*)", re.DOTALL)

log = logging.getLogger("windmill.app")


class _Key(NamedTuple):
    """What tells one version of a file from another."""

    changed: int  # nanoseconds since the epoch
    inode: int
    size: int


GONE: Final = _Key(0, 0, 0)


def catalog_reader(home: Home, state: Path | None = None) -> HomeCatalog:
    """Return what reads all job files of the home again and again, cheaply where nothing changed.

    Last good versions are kept under `state`, the home's own unless another is given.
    """
    kept = state or home.state
    live = LiveProjectSettings(home, keep=state is None)
    projects = KnownProjects(home.root, home.state, live)

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
        extra_problems=lambda: [*live.problems(), *without_extra(live.settings())],
        channels=lambda: live.settings().channels,
        caps=lambda: Caps(max_running=live.settings().max_running, groups=live.settings().groups),
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
    """The [projects] of windmill.toml as they are now, and the rest; while it cannot be used, as they were before.

    With `keep` the last good file is kept for `Home.settings`. May be asked by several threads.
    """

    def __init__(self, home: Home, *, keep: bool = False) -> None:
        self._home, self._keep = home, keep
        self._path = home.root / SETTINGS_FILE
        self._key: _Key | None = None
        self._known = home.settings
        self._problems: list[Problem] = []
        self._lock = Lock()

    def __call__(self) -> Mapping[str, ProjectSettings]:
        """Return them by name of the project."""
        return self.settings().projects

    def settings(self) -> settings.Settings:
        """Return everything the file says."""
        with self._lock:
            self._look()
            return self._known

    def problems(self) -> list[Problem]:
        """Return what is wrong with the file now, each mistake a problem of its own."""
        with self._lock:
            self._look()
            return self._problems

    def _look(self) -> None:
        key = self._stat()
        if key == self._key or not self._settles(key):
            return
        try:
            self._take(key)
        except WindmillError as error:
            self._problems = [_problem(line, error.hint) for line in error.message.splitlines()]
        self._key = key

    def _take(self, key: _Key) -> None:
        """Use what the file says. Raises WindmillError for every mistake in it."""
        if key == GONE and self._key is not None:
            raise WindmillError(f"{SETTINGS_FILE} is gone", hint="put it back; until then it counts as it was")
        self._known = settings.load(self._home.root, self._home.environ)
        if self._keep:
            if self._problems:
                log.info("%s is good again", SETTINGS_FILE, extra={"event": "settings.mended"})
            with contextlib.suppress(OSError):
                content = self._path.read_bytes()
                if self._stat() == key:
                    LastGood(self._home.state / LAST_GOOD_SETTINGS).write(SETTINGS_FILE, content)
        self._problems = []

    def _settles(self, key: _Key) -> bool:
        """Wait until the file stays as it is; False when it changes meanwhile, to be looked at another time."""
        age = time.time() - key.changed / 1e9 if key != GONE else 0.0
        emptied = not key.size and self._key is not None
        left = (SETTLE_EMPTY_SECONDS if emptied else SETTLE_SECONDS) - age
        if 0 < left <= SETTLE_EMPTY_SECONDS:
            time.sleep(left)
        return self._stat() == key

    def _stat(self) -> _Key:
        try:
            status = self._path.stat()
        except OSError:
            return GONE
        return _Key(status.st_mtime_ns, status.st_ino, status.st_size)


def _problem(mistake: str, hint: str) -> Problem:
    """Return the problem that one line of the settings' error tells, at its place."""
    file, line, column, message = MISTAKE.fullmatch(mistake).groups(default="")  # type: ignore[union-attr] # fits all
    return Problem(
        file=file or SETTINGS_FILE,
        line=int(line or 0),
        column=int(column or 0),
        message=message,
        hint=hint,
        code="settings",
    )
