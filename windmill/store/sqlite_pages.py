"""What pages ask of the embedded store beside lists: bars, neighbours, and the audit of requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from windmill.core.documents import Document, to_text
from windmill.store.listing import instant_of

# Entries of an index alone are read for these.
RECENT: Final = """
SELECT id, state, queued_at, duration_ms FROM execution INDEXED BY execution_ran
WHERE job = ? AND state <> 'skipped' ORDER BY queued_at DESC, id DESC LIMIT ?"""
BEFORE: Final = """
SELECT id, state, queued_at, duration_ms FROM execution INDEXED BY execution_ran
WHERE job = ? AND state <> 'skipped' AND (queued_at, id) < (?, ?) ORDER BY queued_at DESC, id DESC LIMIT 1"""
AFTER: Final = """
SELECT id, state, queued_at, duration_ms FROM execution INDEXED BY execution_ran
WHERE job = ? AND state <> 'skipped' AND (queued_at, id) > (?, ?) ORDER BY queued_at, id LIMIT 1"""
REQUESTS: Final = """
SELECT document FROM request INDEXED BY request_by_time
WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?"""


def brief(rows: Iterable[Sequence[Any]]) -> list[Document]:
    """Return {id, state, queued_at, duration_ms} of each row."""
    return [
        {"id": identity, "state": state, "queued_at": to_text(instant_of(queued_at)), "duration_ms": duration_ms}
        for identity, state, queued_at, duration_ms in rows
    ]
