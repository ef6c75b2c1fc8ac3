"""The recorder: the one thread that talks to the store, so that nothing else ever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.ports import JournalReader, Position, Store
from windmill.scheduler.shipper import Shipper

_ROUND_SECONDS: Final = 0.1  # between looks into an idle journal
_GATHER_SECONDS: Final = 0.05  # between wake-ups, so that what comes together is written together
_RETRY_SECONDS: Final = 0.5  # after the first failed round; doubles
_RETRY_SECONDS_MAX: Final = 5.0


class Recorder:
    """Ships the journals to the store and brings requests back, from `start` to `stop`.

    `deliver` is called on the recorder's thread with pending requests, each once per process; it must neither
    block nor raise. `when_idle` is called there when nothing is left to ship, for one short piece of other work on
    the store. `clock` says when the store went away. All methods may be called from any thread and only `stop`
    waits. Cursors are kept in `cursors`/<stream>/cursor. While something is not as it should be, `state` holds
    what `scheduler.backlog.read` returns.
    """

    def __init__(
        self,
        *,
        journal: JournalReader,
        open_store: Callable[[], Store],
        cursors: Path,
        state: Path,
        deliver: Callable[[list[Document]], None],
        clock: Callable[[], datetime],
        when_idle: Callable[[Store, datetime], object] = lambda _store, _now: None,
    ) -> None:
        self._shipper = Shipper(
            journal=journal,
            open_store=open_store,
            cursors=cursors,
            state=state,
            deliver=deliver,
            when_idle=when_idle,
        )
        self._clock = clock
        self._wake = Event()
        self._stopping = Event()
        self._deadline = 0.0
        self._shipped_all = False
        self._thread = Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin recording."""
        self._thread.start()

    def put(
        self,
        *,
        jobs: Iterable[Document] = (),
        status: Mapping[str, Document] | None = None,
        answers: Iterable[Document] = (),
    ) -> None:
        """Keep documents for the store in memory until it has them; of equal ids or names the latest wins."""
        self._shipper.put("job", {job["id"]: job for job in jobs})
        self._shipper.put("status", dict(status or {}))
        self._shipper.put("answer", {answer["id"]: answer for answer in answers})

    def applied(self, stream: str, position: Position) -> None:
        """Say that frames before `position` are no longer needed here; once shipped, their segments may go."""
        self._shipper.applied(stream, position)

    def wake(self) -> None:
        """Ship soon instead of with the next look."""
        self._wake.set()

    def backlog(self) -> dict[str, Any]:
        """Return what `scheduler.backlog.read` does except "at", also while everything is as it should be."""
        return dict(self._shipper.backlog())

    def stop(self, timeout: float) -> bool:
        """Ship what is there, for `timeout` seconds at most, and end; True when everything was shipped.

        What was not shipped waits in the journal; documents given to `put` are lost with the process.
        """
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout)
        return self._shipped_all

    def _run(self) -> None:
        while True:
            last = self._stopping.is_set()
            more = self._shipper.ship_once(self._clock())
            if last and (not more or time.monotonic() >= self._deadline):
                self._shipped_all = not more and self._shipper.failures == 0
                break
            if not more:
                self._pause()
        self._shipper.close()

    def _pause(self) -> None:
        failures = self._shipper.failures
        if failures:
            self._stopping.wait(min(_RETRY_SECONDS * 2 ** (failures - 1), _RETRY_SECONDS_MAX))
        else:
            self._stopping.wait(_GATHER_SECONDS)
            self._wake.wait(_ROUND_SECONDS - _GATHER_SECONDS)
        self._wake.clear()
