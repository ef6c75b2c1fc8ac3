"""Pages of executions as SQL: which stretches of which index are read for a search, and what is tried on them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from windmill.store.documents import milliseconds
from windmill.store.listing import LOOKED_THROUGH, Search, instant_of

# A loose index scan: one seek finds the next job.
JOBS: Final = """
WITH RECURSIVE names (job) AS (
    SELECT min(job) FROM execution INDEXED BY execution_by_job
    UNION ALL
    SELECT (SELECT min(job) FROM execution INDEXED BY execution_by_job WHERE job > names.job)
    FROM names WHERE job IS NOT NULL
)
SELECT job FROM names WHERE job IS NOT NULL"""
_NEWEST_FIRST: Final = "ORDER BY queued_at DESC, id DESC LIMIT ?"


def select_page(search: Search, *, limit: int) -> tuple[str, list[Any]]:
    """Return the query for the newest `limit` documents of the search, in order, and its values.

    One seek per state of a job or project, merged: each reads at most `limit` entries, in order, from its index,
    where one query over several states would sort everything the filter leaves. Documents are read of those alone
    that are shown.
    """
    tried, tried_values = _tried(search)
    arms: list[str] = []
    values: list[Any] = []
    for index, led, led_values in _stretches(search):
        arms.append(
            "SELECT * FROM (SELECT rowid AS place, queued_at, id FROM execution"  # noqa: S608 - only literals of ours
            f" INDEXED BY {index} WHERE {led}(queued_at, id) < (?, ?){tried} {_NEWEST_FIRST})"
        )
        values += [*led_values, *search.below, *tried_values, limit]
    merged = " UNION ALL ".join(arms) or "SELECT 0 AS place, 0 AS queued_at, '' AS id WHERE false"
    shown = f"SELECT place FROM ({merged}) {_NEWEST_FIRST}"  # noqa: S608 - as above
    return (
        f"SELECT document FROM execution WHERE rowid IN ({shown}) {_NEWEST_FIRST}",  # noqa: S608 - as above
        [*values, limit, limit],
    )


def find_horizon(connection: sqlite3.Connection, search: Search, *, entries: int = LOOKED_THROUGH) -> datetime | None:
    """Return down to which instant a page looks, None when it may look through all there is."""
    if not search.tries:
        return None
    stretches = list(_stretches(search))
    since = -(2**63) if search.wanted.since is None else milliseconds(search.wanted.since)
    found: list[int] = []
    for index, led, values in stretches:
        query = (
            f"SELECT queued_at FROM execution INDEXED BY {index}"  # noqa: S608 - only literals of this module
            f" WHERE {led}(queued_at, id) < (?, ?) AND queued_at >= ? {_NEWEST_FIRST} OFFSET ?"
        )
        offset = entries // len(stretches)
        found += [row[0] for row in connection.execute(query, [*values, *search.below, since, 1, offset])]
    return instant_of(max(found)) if found else None


def _stretches(search: Search) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the indexes where matching executions lie in order, the conditions that lead there, and their values."""
    wanted = search.wanted
    if search.led_by_jobs:
        for job in sorted(search.jobs or ()):
            for state in search.states:
                yield "execution_by_job", "job = ? AND state = ? AND ", [job, state]
    elif wanted.project and not search.led_by_time:
        for state in search.states:
            yield "execution_by_project", "project = ? AND state = ? AND ", [wanted.project, state]
    elif wanted.states and not search.led_by_time:
        for state in search.states:
            yield "execution_by_state", "state = ? AND ", [state]
    else:
        yield "execution_by_time", "", []


def _tried(search: Search) -> tuple[str, list[Any]]:
    """Return the conditions that are tried on the entries of the index, and their values."""
    wanted = search.wanted
    tried: list[tuple[str, list[Any]]] = []
    if wanted.since is not None:
        tried.append(("queued_at >= ?", [milliseconds(wanted.since)]))
    if search.led_by_time:
        tried += _tried_by_time(search)
    if wanted.triggers:
        tried.append((_one_of("trigger", len(wanted.triggers)), sorted(wanted.triggers)))
    if wanted.longer_than is not None:
        tried.append(("duration_ms >= ?", [search.longer_than_ms]))
    if wanted.revision:
        tried.append(("(revision = ? OR instr(revision, ?))", [wanted.revision, f":{wanted.revision}"]))
    if wanted.failure:
        tried.append(("failure = ?", [wanted.failure]))
    return "".join(f" AND {condition}" for condition, _ in tried), [value for _, values in tried for value in values]


def _tried_by_time(search: Search) -> Iterator[tuple[str, list[Any]]]:
    wanted = search.wanted
    if wanted.states:
        yield _one_of("state", len(search.states)), search.states
    if search.jobs is not None:
        yield "job IN (SELECT value FROM json_each(?))", [json.dumps(sorted(search.jobs))]
    elif wanted.project:
        yield "job > ? AND job < ?", [f"{wanted.project}/", f"{wanted.project}0"]  # what follows the slash


def _one_of(column: str, number: int) -> str:
    return f"{column} IN ({', '.join('?' * number)})"
