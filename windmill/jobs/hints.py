"""Hints that something under a directory changed. They may come late, twice or never: a rescan is the truth."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from typing import Final, NamedTuple

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

log = logging.getLogger("windmill.jobs")

# Opening and reading are left out: our own rescans would answer themselves, and flood the kernel's queue.
WANTED: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    FileClosedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class Place(NamedTuple):
    """A directory as watched: the path behind all links, and the inode found there."""

    path: str
    device: int
    inode: int


class Hints:
    """Calls `notify`, on a thread of its own, when anything under `directory` may have changed.

    The parent is watched too, so that `directory` itself may be created, removed, renamed or be a swapped link.
    `also` names further directories; of these only the entries are watched, and those that are missing are not. What
    of it lies beside `directory`, files too, is watched in the parent.
    """

    def __init__(
        self, directory: Path, notify: Callable[[], None], *, also: Callable[[], Iterable[Path]] = lambda: ()
    ) -> None:
        self._directory = directory
        self._also = also
        self._inside = _Handler(notify)
        self._beside = _Handler(notify, only={directory.name})
        self._observer: BaseObserver | None = None
        self._places: tuple[Place | None, ...] = ()
        self._warned = False

    def arm(self) -> bool:
        """Watch what the paths mean now; return False when the directory cannot be watched. Cheap to repeat."""
        try:
            return self._arm()
        except OSError as error:  # watch or instance limit, or the directory left between two calls
            self._places = ()
            if not self._warned:
                self._warned = True
                log.warning(
                    "cannot watch %s (%s); looking again every few seconds instead",
                    self._directory,
                    error.strerror or error,
                    extra={"event": "watch.degraded", "directory": str(self._directory)},
                )
            return False

    def close(self) -> None:
        """Stop watching and end the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _arm(self) -> bool:
        inside, beside = _place(self._directory), _place(self._directory.parent)
        also = list(self._also())
        others = tuple(map(_place, also))
        parent = self._directory.parent
        self._beside.only = {self._directory.name, *(path.name for path in also if path.parent == parent)}
        observer = self._running_observer()
        if (inside, beside, *others) != self._places or not all(emitter.is_alive() for emitter in observer.emitters):
            observer.unschedule_all()
            if beside is not None:
                observer.schedule(self._beside, beside.path, event_filter=WANTED)
            if inside is not None:
                observer.schedule(self._inside, inside.path, recursive=True, event_filter=WANTED)
            for place in others:
                if place is not None:
                    observer.schedule(self._inside, place.path, event_filter=WANTED)
            self._places = (inside, beside, *others)
        return inside is not None

    def _running_observer(self) -> BaseObserver:
        if self._observer is None:
            self._observer = Observer()
            self._observer.start()
        return self._observer


class _Handler(FileSystemEventHandler):
    """Notifies about every event, or about those naming one of the entries `only`."""

    def __init__(self, notify: Callable[[], None], *, only: Set[str] = frozenset()) -> None:
        self._notify = notify
        self.only = only

    def on_any_event(self, event: FileSystemEvent) -> None:
        paths = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path))
        if not self.only or not self.only.isdisjoint(map(os.path.basename, paths)):
            self._notify()


def _place(directory: Path) -> Place | None:
    """Return where the directory is now, or None without a readable one there, which inotify does not report."""
    try:
        path = directory.resolve(strict=True)
        found = path.stat()
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return None
    usable = path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    return Place(str(path), found.st_dev, found.st_ino) if usable else None
