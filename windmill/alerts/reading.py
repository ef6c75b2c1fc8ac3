"""What ended since the last look, read from the store: each execution once, also after a restart or an outage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from windmill.core.documents import Document, from_text, to_text
from windmill.core.model import TERMINAL, State
from windmill.core.ports import ExecutionFilter, Store

OVERLAP: Final = timedelta(seconds=10)  # that are read again: records of two journals come in no order
STRIDE: Final = timedelta(hours=1)  # of the past that are read at once
PAGE: Final = 500


@dataclass(slots=True)
class Cursor:
    """Everything queued before `until` was seen, except for `open`, which had not ended; `judged` lie after it."""

    until: datetime
    open: frozenset[str] = frozenset()
    judged: dict[str, str] = field(default_factory=dict)  # id -> when it was queued

    def to_document(self) -> Document:
        """Return the cursor as a JSON-ready document."""
        judged = [[identity, queued_at] for identity, queued_at in self.judged.items()]
        return {"until": to_text(self.until), "open": sorted(self.open), "judged": judged}

    @staticmethod
    def from_document(document: Document) -> Cursor:
        """Return the cursor written by `to_document`."""
        return Cursor(
            until=datetime.fromisoformat(document["until"]),
            open=frozenset(document["open"]),
            judged=dict(document["judged"]),
        )


def ended_since(
    store: Store,
    cursor: Cursor,
    *,
    jobs: frozenset[str],
    lost: bool,
    running: dict[str, Document],
    now: datetime,
    hold: datetime | None,
) -> tuple[list[Document], Cursor]:
    """Return what ended since the cursor, in the order in which it was queued, and the cursor after it.

    Of these jobs, and with `lost` all executions that were lost. `running` is what was open before this was called,
    by id. The cursor does not pass `hold`: what was queued after it may not be stored yet.
    """
    bound = cursor.until + STRIDE
    behind = bound < now - OVERLAP
    found = {one["id"]: one for one in _queued(store, cursor.until, bound if behind else None, jobs, lost=lost)}
    gone = sorted(cursor.open - running.keys())
    named = store.named(gone)
    found |= {identity: one for identity, one in named.items() if one["job"] in jobs or one["state"] == State.LOST}
    fresh = [one for one in found.values() if one["state"] in TERMINAL and one["id"] not in cursor.judged]
    until = bound if behind else max(cursor.until, min(now - OVERLAP, hold or now))
    after = to_text(until) or ""
    judged = cursor.judged | {one["id"]: str(one["queued_at"]) for one in fresh}
    still = {
        identity for identity in gone if named.get(identity, {}).get("state") not in TERMINAL and identity in named
    }
    return sorted(fresh, key=lambda one: (one["queued_at"], one["id"])), Cursor(
        until=until,
        open=frozenset(still | {one["id"] for one in running.values() if one["queued_at"] < after}),
        judged={identity: queued_at for identity, queued_at in judged.items() if queued_at >= after},
    )


def _queued(
    store: Store, since: datetime, until: datetime | None, jobs: frozenset[str], *, lost: bool
) -> Iterator[Document]:
    bounds: dict[str, Any] = {"since": since, "until": until}
    if jobs:
        yield from _pages(store, ExecutionFilter(jobs=jobs, states=TERMINAL, **bounds))
    if lost:
        yield from _pages(store, ExecutionFilter(states=frozenset({State.LOST}), **bounds))


def _pages(store: Store, wanted: ExecutionFilter) -> Iterator[Document]:
    cursor: str | None = None
    while True:
        page = store.executions(wanted, limit=PAGE, cursor=cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def last_success(store: Store, job: str) -> datetime | None:
    """Return when the job succeeded last, None for never."""
    found = store.executions(ExecutionFilter(job=job, states=frozenset({State.SUCCEEDED})), limit=1).items
    return from_text(found[0]["ended_at"]) if found else None


def newest_slot(store: Store, job: str) -> Document | None:
    """Return the newest execution that stands for slots of the job, None where there is none."""
    found = store.executions(ExecutionFilter(job=job, triggers=frozenset({"schedule", "catch_up"})), limit=1).items
    return found[0] if found else None
