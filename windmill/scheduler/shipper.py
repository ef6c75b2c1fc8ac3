"""One round of the recorder: journal into store, cursors after it, requests back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final

from windmill.core.documents import Document, to_text
from windmill.core.errors import Unavailable, WindmillError
from windmill.core.model import Cause, execution_id
from windmill.core.ports import Batch, JournalReader, Position, Store
from windmill.scheduler import causes
from windmill.scheduler.backlog import Backlog
from windmill.scheduler.cursors import Cursors
from windmill.scheduler.gather import Cuts, Gatherer
from windmill.scheduler.rejects import Item, Rejects, write

_LOG: Final = logging.getLogger(__name__)
_ROUND_BYTES: Final = 8 << 20
_ROUND_BYTES_MIN: Final = 64 << 10
_DOCUMENT_BYTES: Final = 4 << 10  # that one of the loop's is taken for
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
                self._waiting[kind, name] = {**self._waiting.pop((kind, name), {}), **document}

    def take(self, most: int) -> dict[tuple[str, str], Document]:
        """Return what waits, at most so many, the oldest first; it stays until `acknowledge`."""
        with self._lock:
            return dict(islice(self._waiting.items(), most))

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
        state: Path,
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
        self._round_bytes = _ROUND_BYTES
        self._rejects = Rejects(state / "rejected")
        self._backlog = Backlog(state)

    @property
    def failures(self) -> int:
        """How many rounds failed since the last one that did not."""
        return self._backlog.failures

    def put(self, kind: str, documents: dict[str, Document]) -> None:
        """Keep documents for the next round. Safe between threads."""
        self._outbox.put(kind, documents)

    def applied(self, stream: str, position: Position) -> None:
        """Allow segments before `position` to go once they are shipped. Safe between threads."""
        self._applied[stream] = position

    def backlog(self) -> dict[str, Any]:
        """Return what `scheduler.backlog.read` does except "at", also while everything is as it should be."""
        return self._backlog.document

    def ship_once(self, now: datetime) -> bool:
        """Ship one round; True when there is more to ship at once. Never raises: see `failures`."""
        try:
            more = self._round(now)
            if not more and self._store is not None:
                self._when_idle(self._store, now)
            waiting = self._journal.size() if more else 0
            full = self._journal.full()
        except Exception as error:  # whatever it is, nothing is lost by trying again, and everything by stopping
            self._failed(error, now)
            return False
        self._backlog.succeeded(now, waiting=waiting, full=full, rejected=self._rejects.count)
        return more

    def close(self) -> None:
        """Let go of the store, and of what others are told about it."""
        self._let_go()
        self._backlog.close()

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _round(self, now: datetime) -> bool:
        if self._store is None:
            self._store = self._open_store()
            self._stored_up_to = cache(self._store.last_sequence)
        store = self._store
        gatherer = Gatherer(self._stored_up_to, self._cuts)
        reached, caught_up = self._read(gatherer)
        most = self._round_bytes // _DOCUMENT_BYTES
        waiting = self._outbox.take(most)
        batch = gatherer.batch()
        causes.tell(batch, store)
        _address(waiting, batch)
        if batch:
            self._write(store, batch, now)
        for flaw in gatherer.flaws:
            self._rejects.add(Item("entry", flaw.execution, flaw.payload), flaw.reason, now)
        self._outbox.acknowledge(waiting)
        self._cuts.forget(gatherer.ended())
        for stream, position in reached.items():
            if position != self._cursors.get(stream):
                self._cursors.move(stream, position)
            self._release(stream, position)
        if not caught_up:
            return True
        self._stored_up_to = _nothing_stored
        return len(waiting) == most or self._fetch_requests(store)

    def _write(self, store: Store, batch: Batch, now: datetime) -> None:
        proof = Batch(status={"recorder": {"id": "recorder", "at": to_text(now), "rejected": self._rejects.count}})
        try:
            write(store, batch, lambda item, reason: self._rejects.add(item, reason, now), proof=proof)
        except (Unavailable, OSError):
            self._round_bytes = max(self._round_bytes // 2, _ROUND_BYTES_MIN)
            raise
        self._round_bytes = min(self._round_bytes * 2, _ROUND_BYTES)

    def _read(self, gatherer: Gatherer) -> tuple[dict[str, Position], bool]:
        """Collect what is new; return where each stream was read up to, and whether that was all there is."""
        reached: dict[str, Position] = {}
        left = self._round_bytes
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
        pending = [request for request in store.pending_requests(limit=limit) if isinstance(request.get("id"), str)]
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
        sentence = error.message if isinstance(error, WindmillError) else type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            sentence = error.strerror
        if not self.failures:
            expected = isinstance(error, WindmillError | OSError)
            _LOG.warning("recording waits in the journal: %s", sentence, exc_info=None if expected else error)
        waiting, full = self._backlog.document["bytes"], False
        with suppress(Exception):
            waiting, full = self._journal.size(), self._journal.full()
        self._backlog.failed(sentence, now, waiting=waiting, full=full, rejected=self._rejects.count)
        with suppress(Exception):
            self._let_go()


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
