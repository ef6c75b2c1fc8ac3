"""Keeps the catalog in step with the directory it is read from."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from typing import Final

from windmill.core.model import Catalog
from windmill.core.reconcile import suspicious
from windmill.jobs.hints import Hints

log = logging.getLogger("windmill.jobs")

# All in seconds.
QUIET: Final = 0.1  # without a hint, before a burst counts as over; also before unsettled files are read again
LONGEST_DELAY: Final = 1.0  # from the first hint of a burst that does not end
BELIEVED_AFTER: Final = 1.0  # how long most jobs must stay away before their removal is believed
UNWATCHED: Final = 2.0  # between looks while hints cannot come, or after a look failed


class Watcher:
    """Delivers a catalog, on a thread of its own, whenever `load` returns another one than was delivered last.

    Looks at once, after hints, every `interval` seconds, on `look`, and soon again while `unsettled()`. A catalog
    without most of the known jobs is delivered only if it is still so one second later. Exceptions of `load` and
    `deliver` are logged and the look is repeated. `also` names further directories whose entries give hints.
    """

    def __init__(
        self,
        directory: Path,
        *,
        load: Callable[[], Catalog],
        unsettled: Callable[[], bool],
        deliver: Callable[[Catalog], None],
        also: Callable[[], Iterable[Path]] = lambda: (),
        interval: float = 30.0,
    ) -> None:
        self._directory = directory
        self._load = load
        self._unsettled = unsettled
        self._deliver = deliver
        self._interval = interval
        self._delivered: Catalog | None = None
        self._doubted: Set[str] | None = None  # keys of the jobs left in a catalog that is not believed yet
        self._believed_at = 0.0  # by the monotonic clock
        self._hint = threading.Event()
        self._stopping = False
        self._hints = Hints(directory, self._hint.set, also=also)
        self._thread = threading.Thread(target=self._watch, name="windmill-watcher", daemon=True)

    def start(self) -> None:
        """Begin; the first catalog comes at once."""
        self._thread.start()

    def look(self) -> None:
        """Ask for a rescan. Never blocks; safe from a signal handler's wake-up."""
        self._hint.set()

    def stop(self, timeout: float | None = None) -> None:
        """End all threads, waiting `timeout` seconds at most for a look that is under way."""
        self._stopping = True
        self._hint.set()
        self._thread.join(timeout)

    def _watch(self) -> None:
        try:
            while not self._stopping:
                self._pause(self._guarded_look())
        finally:
            self._hints.close()

    def _guarded_look(self) -> float:
        try:
            return self._look()
        except Exception:
            log.exception("reading %s failed", self._directory, extra={"event": "watch.failed"})
            return min(self._interval, UNWATCHED)

    def _look(self) -> float:
        """Rescan, deliver what is due, and return the seconds until the next look."""
        self._hint.clear()
        watched = self._hints.arm()  # before reading: what changes while we read gives a hint
        wanted = self._load()
        if left := self._doubt(wanted):
            return left
        if wanted != self._delivered:
            self._deliver(wanted)
            self._delivered = wanted
        if self._unsettled():
            return QUIET
        return self._interval if watched else min(self._interval, UNWATCHED)

    def _doubt(self, wanted: Catalog) -> float:
        """Return how many seconds `wanted` must still hold before it is believed; 0 when nothing is odd about it."""
        if not suspicious(self._delivered, wanted):
            self._doubted = None
            return 0.0
        now = time.monotonic()
        if self._doubted != wanted.jobs.keys():
            self._doubted = wanted.jobs.keys()
            self._believed_at = now + BELIEVED_AFTER
            log.warning(
                "more than half of the jobs in %s vanished at once; looking again before they are removed",
                self._directory,
                extra={"event": "watch.doubted", "left": len(wanted.jobs)},
            )
        return max(0.0, self._believed_at - now)

    def _pause(self, seconds: float) -> None:
        """Wait `seconds`, or less when hints come: then until they have been quiet, or have gone on for too long."""
        if not self._hint.wait(seconds):
            return
        latest = time.monotonic() + LONGEST_DELAY
        while not self._stopping and (left := latest - time.monotonic()) > 0:
            self._hint.clear()
            if not self._hint.wait(min(QUIET, left)):
                return
