"""One round of the recorder: journal into store, cursors after it, requests back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from windmill.core.documents import Document, to_text
from windmill.core.errors import WindmillError
from windmill.core.model import Cause, execution_id
from windmill.core.ports import Batch, JournalReader, Position, Store
from windmill.scheduler.cursors import Cursors
from windmill.scheduler.gather import Cuts, Gatherer

_LOG: Final = logging.getLogger(__name__)
_ROUND_BYTES: Final = 8 << 20
_READ_BYTES: Final = 4 << 20
_FRAME_BYTES: Final = 40  # what a frame takes beside its payload
_REQUESTS: Final = 100
_START: Final = Position(0, 0)


class Outbox:
    """Documents on their way from the loop to the store; later fields of a name win. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[tuple[str, str], Document] = {}

    def put(self, kind: str, documents: dict[str, Document]) -> None:
        """Add documents of one kind (job, status, answer) by name."""
        with self._lock:
            for name, document in documents.items():
                self._waiting[kind, name] = {**self._waiting.get((kind, name), {}), **document}

    def take(self) -> dict[tuple[str, str], Document]:
        """Return what waits; it stays until `acknowledge`."""
        with self._lock:
            return dict(self._waiting)

    def acknowledge(self, taken: dict[tuple[str, str], Document]) -> None:
        """Let go of what was taken, except where something newer took its place."""
        with self._lock:
            for key, document in taken.items():
                if self._waiting.get(key) is document:
                    del self._waiting[key]


class Shipper:
    """Ships everything in order, whatever fails in between; `core.ports.Store` ignores what it has already.

    Positions move only after the store acknowledged. What a failed or forgotten round may have stored is found
    out by asking the store once per execution, until everything written before has been shipped.
    `deliver` gets pending requests, each once; it must not raise. `when_idle` gets the store after each round that
    leaves nothing to ship; what it raises is a failure of the round.
    """

    def __init__(
        self,
        *,
        journal: JournalReader,
        open_store: Callable[[], Store],
        cursors: Path,
        deliver: Callable[[list[Document]], None],
        when_idle: Callable[[Store, datetime], object] = lambda _store, _now: None,
    ) -> None:
        self._journal = journal
        self._open_store = open_store
        self._cursors = Cursors(cursors)
        self._deliver = deliver
        self._when_idle = when_idle
        self._store: Store | None = None
        self._outbox = Outbox()
        self._cuts = Cuts()
        self._applied: dict[str, Position] = {}
        self._released: dict[str, Position] = {}
        self._stored_up_to: Callable[[str], int] = _nothing_stored
        self._delivered: set[str] = set()
        self._backlog: dict[str, Any] = {"bytes": 0, "away_since": None, "error": None}
        self.failures = 0  # rounds that failed since the last one that did not

    def put(self, kind: str, documents: dict[str, Document]) -> None:
        """Keep documents for the next round. Safe between threads."""
        self._outbox.put(kind, documents)

    def applied(self, stream: str, position: Position) -> None:
        """Allow segments before `position` to go once they are shipped. Safe between threads."""
        self._applied[stream] = position

    def backlog(self) -> dict[str, Any]:
        """Return {"bytes": waiting in the journal, "away_since": text or None, "error": sentence or None}."""
        return self._backlog

    def ship_once(self, now: datetime) -> bool:
        """Ship one round; True when there is more to ship at once. Never raises: see `failures`."""
        try:
            more = self._round()
            if not more and self._store is not None:
                self._when_idle(self._store, now)
            waiting = self._journal.size() if more else 0
        except Exception as error:  # whatever it is, nothing is lost by trying again, and everything by stopping
            self._failed(error, now)
            return False
        self.failures = 0
        self._backlog = {"bytes": waiting, "away_since": None, "error": None}
        return more

    def close(self) -> None:
        """Let go of the store."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _round(self) -> bool:
        if self._store is None:
            self._store = self._open_store()
            self._stored_up_to = cache(self._store.last_sequence)
        store = self._store
        gatherer = Gatherer(self._stored_up_to, self._cuts)
        reached, caught_up = self._read(gatherer)
        waiting = self._outbox.take()
        batch = gatherer.batch()
        _address(waiting, batch)
        if batch:
            store.write(batch)
        self._outbox.acknowledge(waiting)
        self._cuts.forget(gatherer.ended())
        for stream, position in reached.items():
            if position != self._cursors.get(stream):
                self._cursors.move(stream, position)
            self._release(stream, position)
        if not caught_up:
            return True
        self._stored_up_to = _nothing_stored
        return self._fetch_requests(store)

    def _read(self, gatherer: Gatherer) -> tuple[dict[str, Position], bool]:
        """Collect what is new; return where each stream was read up to, and whether that was all there is."""
        reached: dict[str, Position] = {}
        left = _ROUND_BYTES
        for stream in self._journal.streams():
            position = self._cursors.get(stream) or _START
            while left > 0:
                frames, position = self._journal.read(stream, position, limit=min(left, _READ_BYTES))
                if not frames:
                    break
                gatherer.add(frames)
                left -= sum([len(frame.payload) + _FRAME_BYTES for frame in frames])
            reached[stream] = position
        return reached, left > 0

    def _release(self, stream: str, shipped: Position) -> None:
        """Let the journal delete what is both shipped and applied; a stream that is over goes whole."""
        position = min(shipped, self._applied.get(stream, _START))
        over = position == shipped and self._journal.settled(stream)
        if over or position.segment > self._released.get(stream, _START).segment:
            self._journal.release(stream, position)
            self._released[stream] = position
        if over and stream not in self._journal.streams():
            self._cursors.forget(stream)
            del self._released[stream]

    def _fetch_requests(self, store: Store) -> bool:
        """Deliver new pending requests; True when one was answered here instead."""
        limit = _REQUESTS + len(self._delivered)
        pending = [request for request in store.pending_requests(limit=limit) if "id" in request]
        fresh = [request for request in pending if request["id"] not in self._delivered]
        if len(pending) < limit:
            self._delivered &= {request["id"] for request in pending}
        answered = {request["id"]: answer for request in fresh if (answer := _started_already(request, store))}
        self._delivered.update(request["id"] for request in fresh)
        self.put("answer", answered)
        if fresh := [request for request in fresh if request["id"] not in answered]:
            self._deliver(fresh)
        return bool(answered)

    def _failed(self, error: Exception, now: datetime) -> None:
        self.failures += 1
        sentence = error.message if isinstance(error, WindmillError) else type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            sentence = error.strerror
        if self.failures == 1:
            expected = isinstance(error, WindmillError | OSError)
            _LOG.warning("recording waits in the journal: %s", sentence, exc_info=None if expected else error)
        waiting = self._backlog["bytes"]
        with suppress(Exception):
            waiting = self._journal.size()
        since = self._backlog["away_since"] or to_text(now)
        self._backlog = {"bytes": waiting, "away_since": since, "error": sentence}
        with suppress(Exception):
            self.close()


def _nothing_stored(_execution: str) -> int:
    return 0


def _address(waiting: dict[tuple[str, str], Document], batch: Batch) -> None:
    for (kind, name), document in waiting.items():
        if kind == "job":
            batch.jobs.append(document)
        elif kind == "status":
            batch.status[name] = document
        else:
            batch.answers.append(document)


def _started_already(request: Document, store: Store) -> Document | None:
    """Return the answer to a wish to run whose execution exists: a scheduler died before it could answer."""
    if request.get("kind") != "run":
        return None
    execution = execution_id(str(request.get("job", "")), cause=Cause.MANUAL, what=request["id"])
    if store.execution(execution) is None:
        return None
    return {"id": request["id"], "state": "done", "answer": {"execution": execution}}
