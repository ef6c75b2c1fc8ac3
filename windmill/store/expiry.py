"""Executions that need not be kept, found by index: what must stay first, then what is older, oldest first."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, TERMINAL, State
from windmill.store.documents import milliseconds

Place = tuple[int, str]  # (queued_at, id), the order of everything

_SKIPPED: Final = frozenset({State.SKIPPED})
_BEFORE_ALL: Final[Place] = (-(2**63), "")
_NEWEST: Final = """
SELECT queued_at, id FROM execution INDEXED BY execution_by_job
WHERE job = ? AND state = ? ORDER BY queued_at DESC, id DESC LIMIT 1"""
# The sorts of which only so many stay, each from an index that holds nothing else of the job.
_BEYOND: Final = {
    TERMINAL - _SKIPPED: """
SELECT queued_at, id FROM execution INDEXED BY execution_ran
WHERE job = ? AND state <> 'skipped' ORDER BY queued_at DESC, id DESC LIMIT 1 OFFSET ?""",
    _SKIPPED: """
SELECT queued_at, id FROM execution INDEXED BY execution_by_job
WHERE job = ? AND state = 'skipped' ORDER BY queued_at DESC, id DESC LIMIT 1 OFFSET ?""",
}
_OF_ONE_STATE: Final = """
SELECT * FROM (SELECT queued_at, id, document FROM execution INDEXED BY execution_by_job
WHERE job = ? AND state = ? AND (queued_at, id) > (?, ?) AND (queued_at, id) <= (?, ?) AND id NOT IN (?, ?)
ORDER BY queued_at, id LIMIT ?)"""


def find_expired(
    connection: sqlite3.Connection,
    job: str,
    *,
    before: datetime | None,
    beyond: int | None,
    after: Document | None,
    limit: int,
) -> list[bytes]:
    """Return the stored documents that `core.ports.Store.expired` is about, as one transaction sees them.

    Reads the entries of an index that `beyond` counts, and beside them no more rows than it returns of each state.
    """
    first = _place(after) if after else _BEFORE_ALL
    keep = [_newest(connection, job, states)[1] for states in (frozenset({State.SUCCEEDED}), FAILURES)]
    arms, values = list[str](), list[Any]()
    for states, query in _BEYOND.items():
        last = max(
            (milliseconds(before), "") if before else _BEFORE_ALL,
            connection.execute(query, (job, beyond)).fetchone() or _BEFORE_ALL if beyond is not None else _BEFORE_ALL,
        )
        for state in sorted(states) if last > first else ():
            arms.append(_OF_ONE_STATE)
            values += [job, state, *first, *last, *keep, limit]
    if not arms:
        return []
    oldest_first = " UNION ALL ".join(arms) + " ORDER BY queued_at, id LIMIT ?"
    return [row[2] for row in connection.execute(oldest_first, [*values, limit])]


def _newest(connection: sqlite3.Connection, job: str, states: frozenset[State]) -> Place:
    found = [connection.execute(_NEWEST, (job, state)).fetchone() for state in states]
    return max((place for place in found if place), default=_BEFORE_ALL)


def _place(document: Document) -> Place:
    instant = from_text(document["queued_at"])
    return (milliseconds(instant), document["id"]) if instant else _BEFORE_ALL
