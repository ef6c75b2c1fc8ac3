"""A home, and everything that is reached through it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from windmill.core.documents import Document
from windmill.core.errors import NotFound, Unavailable, WindmillError

if TYPE_CHECKING:
    from windmill.core.model import Catalog
    from windmill.core.ports import Store
    from windmill.projects.known import KnownProjects
    from windmill.settings import Settings
    from windmill.store.mongo_schema import Connection

SETTINGS_FILE: Final = "windmill.toml"
STATE_DIRECTORY: Final = ".windmill"
LAST_GOOD_SETTINGS: Final = "last-good-settings"
MONGODB: Final = ("mongodb://", "mongodb+srv://")
SETTLE_SECONDS: Final = 0.05  # after which a file counts as written
LOCK_LIMIT: Final = 4096  # bytes of the lock file that are read


def find_home(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the home: `explicit`, else WINDMILL_HOME, else the nearest parent that holds windmill.toml.

    Raises NotFound, saying how to make a home, when there is none.
    """
    named = explicit or (Path(environ["WINDMILL_HOME"]) if environ.get("WINDMILL_HOME") else None)
    if named is None:
        return _nearest_home(Path.cwd())
    if not (named / SETTINGS_FILE).is_file():
        raise NotFound(f"{named} is not a home: it holds no {SETTINGS_FILE}", hint=f"windmill init {named}")
    return named.resolve()


def _nearest_home(start: Path) -> Path:
    for directory in (start, *start.parents):
        if (directory / SETTINGS_FILE).is_file():
            return directory
    raise NotFound(
        f"no {SETTINGS_FILE} in {start} or above it",
        hint="windmill init makes a home here; --home DIR or WINDMILL_HOME names another",
    )


@dataclass(frozen=True)
class Home:
    """A home and everything that is reached through it. Nothing is opened or read before it is asked for."""

    root: Path
    environ: Mapping[str, str]

    @property
    def state(self) -> Path:
        """The directory of everything WindMill itself writes."""
        return self.root / STATE_DIRECTORY

    @cached_property
    def settings(self) -> Settings:
        """The checked settings; while the file is broken and a scheduler runs, those that it goes by.

        Raises WindmillError naming the key that is wrong.
        """
        from windmill import settings

        try:
            return settings.load(self.root, self.environ)
        except WindmillError:
            kept = self.state / LAST_GOOD_SETTINGS
            if not (kept / SETTINGS_FILE).is_file() or not self.scheduler_alive():
                raise
            return settings.load(kept, self.environ)

    def store(self, *, readonly: bool = True, shared: Callable[[str], Connection] | None = None) -> Store:
        """Return the store, opened anew; the caller closes it.

        `shared(uri)` gives the connection that stores in a database of that URI share. Raises Unavailable, and
        Refused for a URI that is not valid or a store that a newer WindMill wrote.
        """
        if uri := self._store_uri():
            from windmill.store.mongo import MongoStore

            return MongoStore(shared(uri) if shared else uri, readonly=readonly)
        from windmill.store.sqlite import SqliteStore

        self.make_state()
        path = self.state / "windmill.db"
        if readonly and not path.exists():
            SqliteStore(path).close()
        return SqliteStore(path, readonly=readonly)

    @property
    def embedded(self) -> bool:
        """True when the store is the file of this home. Raises WindmillError naming the key that is wrong."""
        return not self._store_uri()

    @property
    def database(self) -> str:
        """The name of the store's database: the one in the URI, else "windmill"; its dump has the same name."""
        if uri := self._store_uri():
            from windmill.store.mongo_schema import Connection

            with contextlib.closing(Connection(uri)) as connection:
                return connection.database.name
        return "windmill"

    def _store_uri(self) -> str | None:
        # Every reader asks for the store, and checking all settings takes longer than most answers do.
        named = self.environ.get("WINDMILL_STORE_URI", "")
        if named.startswith(MONGODB):
            return named
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):  # the full check tells of it
            uri = tomllib.loads(self._settings_text()).get("store", {}).get("uri")
            if not named and (uri is None or uri.startswith(MONGODB)):
                return str(uri) if uri else None
        return self.settings.store_uri

    def _settings_text(self) -> str:
        path = self.root / SETTINGS_FILE
        if 0 <= time.time() - path.stat().st_mtime < SETTLE_SECONDS:  # half of it may not be written yet
            time.sleep(SETTLE_SECONDS)
        return path.read_text()

    def make_state(self) -> None:
        """Create the state directory, readable by nobody else. Raises Unavailable."""
        try:
            self.state.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            hint = "check the owner and mode of the home"
            raise Unavailable(f"{self.state} cannot be made: {error.strerror}", hint=hint) from error

    @cached_property
    def projects(self) -> KnownProjects:
        """Where the code is."""
        from windmill.projects.known import KnownProjects

        return KnownProjects(self.root, self.state, lambda: self.settings.projects)

    def shown(self, path: Path) -> str:
        """Return the path as people know it: relative to the home where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def catalog(self) -> Catalog:
        """Return all wanted jobs and every problem of their files, read now; nothing is written into the home."""
        from windmill.app.reading import read_once

        return read_once(self)

    def scheduler_alive(self) -> bool:
        """Return True when a scheduler holds this home's lock.

        The test takes a shared lock for an instant, so a scheduler that finds the home locked tries again shortly.
        """
        try:
            descriptor = os.open(self.state / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        with contextlib.closing(os.fdopen(descriptor, "rb")) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def scheduler_facts(self) -> Document:
        """Return what the lock file says of the scheduler that wrote it: pid, host, started_at, version."""
        try:
            with (self.state / "lock").open("rb") as file:
                facts = json.loads(file.read(LOCK_LIMIT))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
