"""What pages ask of the embedded store beside lists: bars, neighbours, and the audit of requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from windmill.core.documents import Document
from windmill.store.listing import instant_of
from windmill.store.sqlite_tally import DAY_MS

# Entries of an index alone are read for these.
_RECENT: Final = """
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


def recent(connection: sqlite3.Connection, jobs: Sequence[str], *, limit: int) -> dict[str, list[Document]]:
    """Return what `core.ports.Store.recent` is about; there may be thousands of jobs."""
    found = {job: brief(connection.execute(_RECENT, (job, limit))) for job in jobs if _is_text(job)}
    return {job: executions for job, executions in found.items() if executions}


def _is_text(key: str) -> bool:
    """Return False for a key with stray bytes, which equals nothing that is stored."""
    return key.isascii() or key.encode(errors="replace").decode() == key


def brief(rows: Iterable[Sequence[Any]]) -> list[Document]:
    """Return {id, state, queued_at, duration_ms} of each row."""
    return [
        {"id": identity, "state": state, "queued_at": _text(queued_at), "duration_ms": duration_ms}
        for identity, state, queued_at, duration_ms in rows
    ]


def _text(instant: int) -> str:
    """Return the milliseconds since the epoch as `to_text` writes that instant, thousands of them in no time."""
    day, rest = divmod(instant, DAY_MS)
    seconds, thousandths = divmod(rest, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{_day(day)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{thousandths:03}Z"


@lru_cache(maxsize=1000)
def _day(number: int) -> str:
    return instant_of(number * DAY_MS).date().isoformat()
