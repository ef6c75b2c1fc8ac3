"""Deleting what need not be kept, in pieces so small that nothing waits for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.model import Keep
from windmill.core.ports import Batch, Drop, Store
from windmill.core.retention import bounds, keep_of, kept_bytes, piece

_LOG: Final = logging.getLogger(__name__)
PIECE: Final = 100  # executions deleted together
PIECE_BYTES: Final = 4 << 20  # of their output, at most; 20 ms for SQLite
_FIRST_SECONDS: Final = 60.0  # from the start to the first pass: by then the store has read what each job wants
_EVERY_SECONDS: Final = 3600.0
_LOOK_SECONDS: Final = 0.02  # for finding a job that has something to delete


class Removed(NamedTuple):
    """What one piece of work did: the executions deleted, and whether there was more than this piece."""

    executions: list[Document]
    more: bool


def keeps(store: Store) -> dict[str, Keep]:
    """Return what every job the store knows wants kept, deleted ones and ones without a document included."""
    unnamed = dict.fromkeys(store.latest_executions(), Keep())
    return unnamed | {job["id"]: keep_of(job) for job in store.jobs()}


def remove_some(store: Store, job: str, keep: Keep, now: datetime) -> Removed:
    """Delete the oldest executions of the job that need not be kept, as many as make one small piece.

    Of an execution with more output than that a piece of the output goes first. Raises Unavailable.
    """
    found = store.expired(job, **bounds(keep, now), limit=PIECE)
    batch = piece(found, PIECE_BYTES)
    if not batch:
        return Removed([], more=False)
    size = kept_bytes(batch[0])
    if (size is None or size > PIECE_BYTES) and _shorten(store, batch[0]["id"]):
        return Removed([], more=True)
    if not store.delete([one["id"] for one in batch]):
        return Removed([], more=False)  # somebody else was faster
    return Removed(batch, more=len(batch) < len(found) or len(found) == PIECE)


def _shorten(store: Store, execution: str) -> bool:
    """Let go of the first blocks of a long output; False when all that is left is one small piece."""
    blocks = store.output(execution)
    if not blocks or blocks[-1].last == store.last_sequence(execution):
        return False
    store.write(Batch(drops=[Drop(execution=execution, first=blocks[0].first, last=blocks[-1].last)]))
    return True


class Retention:
    """Passes over all jobs of a store, the first a minute after the start, then one every hour.

    Lives on the recorder's thread and in memory only. `monotonic` counts seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due = monotonic() + _FIRST_SECONDS
        self._jobs: list[tuple[str, Keep]] = []
        self._deleted = 0

    def step(self, store: Store, now: datetime) -> bool:
        """Delete one small piece, if it is time; True while the pass has more to do.

        Raises Unavailable. Whatever else goes wrong ends this pass, is logged, and waits for the next one.
        """
        try:
            return self._step(store, now)
        except Exception as error:
            self._jobs = []
            if isinstance(error, Unavailable):
                raise
            _LOG.exception("old executions could not be deleted", extra={"event": "retention.failed"})
            return False

    def _step(self, store: Store, now: datetime) -> bool:
        started = self._monotonic()
        if not self._jobs:
            if started < self._due:
                return False
            self._due, self._deleted = started + _EVERY_SECONDS, 0
            self._jobs = sorted(keeps(store).items(), reverse=True)
        while self._jobs and self._monotonic() < started + _LOOK_SECONDS:
            removed = remove_some(store, *self._jobs[-1], now)
            self._deleted += len(removed.executions)
            if not removed.more:  # what expires from now on is for the next pass: other jobs want their turn
                self._jobs.pop()
            if removed.more or removed.executions:
                break
        if not self._jobs and self._deleted:
            _LOG.info("deleted %d old executions", self._deleted, extra={"event": "retention.deleted"})
        return bool(self._jobs)
