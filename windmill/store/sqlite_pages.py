"""What pages ask of the embedded store beside lists: bars, neighbours, and the audit of requests."""

from __future__ import annotations

import json
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
_LAST: Final = """
SELECT one.job, one.id, one.state, one.queued_at, one.duration_ms FROM json_each(?) AS wanted
CROSS JOIN execution AS one INDEXED BY execution_ran
ON one.job = wanted.value AND one.state <> 'skipped' AND (one.queued_at, one.id) = (
    SELECT last.queued_at, last.id FROM execution AS last INDEXED BY execution_ran
    WHERE last.job = wanted.value AND last.state <> 'skipped' ORDER BY last.queued_at DESC, last.id DESC LIMIT 1)"""
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
    if limit == 1:
        rows = connection.execute(_LAST, (json.dumps(list(jobs)),))
        return {job: brief([row]) for job, *row in rows}
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
