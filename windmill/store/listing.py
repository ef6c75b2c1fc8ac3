"""Pages of executions as SQL: filters answered by index, places between pages as opaque cursors of every store."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.store.documents import milliseconds

_NEWEST: Final = (2**63 - 1, "")  # a place above every execution


def select_page(wanted: ExecutionFilter, *, limit: int, cursor: str | None) -> tuple[str, list[Any]]:
    """Return the query for the next `limit` documents, newest first by (queued_at, id), and its values.

    One seek per state of a job or project, merged: each reads at most `limit` rows, in order, from its index, where
    one query over several states would sort everything the filter leaves. Raises Refused for a cursor that is none
    of ours.
    """
    below = _NEWEST if cursor is None else place_after(cursor)
    if wanted.until is not None:
        below = min(below, (milliseconds(wanted.until), ""))
    rest, rest_values = _rest(wanted)
    arms: list[str] = []
    values: list[Any] = []
    for prefix, prefix_values in _seeks(wanted):
        arms.append(
            "SELECT * FROM (SELECT queued_at, id, document FROM execution"  # noqa: S608 - only literals of this module
            f" WHERE {prefix}(queued_at, id) < (?, ?){rest}"
            " ORDER BY queued_at DESC, id DESC LIMIT ?)"
        )
        values += [*prefix_values, *below, *rest_values, limit]
    merged = " UNION ALL ".join(arms)
    newest_first = "ORDER BY queued_at DESC, id DESC LIMIT ?"
    return f"SELECT document FROM ({merged}) {newest_first}", [*values, limit]  # noqa: S608 - as above


def cursor_after(document: Document) -> str:
    """Return the cursor of the page that follows this document."""
    return base64.urlsafe_b64encode(f"{document['queued_at']} {document['id']}".encode()).decode()


def _seeks(wanted: ExecutionFilter) -> Iterator[tuple[str, list[str]]]:
    """Yield the leading conditions of each stretch of an index where matching executions lie in order, and values."""
    if wanted.job or wanted.project:
        column = "job" if wanted.job else "project"
        for state in sorted(wanted.states or State):
            yield f"{column} = ? AND state = ? AND ", [wanted.job or wanted.project, state]
    elif wanted.states:
        for state in sorted(wanted.states):
            yield "state = ? AND ", [state]
    else:
        yield "", []


def _rest(wanted: ExecutionFilter) -> tuple[str, list[Any]]:
    """Return the conditions that are tried on the entries of the index, and their values."""
    conditions, values = "", list[Any]()
    if wanted.since is not None:
        conditions += " AND queued_at >= ?"
        values.append(milliseconds(wanted.since))
    if wanted.job and wanted.project:
        conditions += " AND project = ?"
        values.append(wanted.project)
    if wanted.triggers:
        conditions += f" AND trigger IN ({', '.join('?' * len(wanted.triggers))})"
        values += sorted(wanted.triggers)
    return conditions, values


def place_after(cursor: str) -> tuple[int, str]:
    """Return the (queued_at in milliseconds, id) that a page begins below. Raises Refused for a foreign cursor."""
    try:
        instant, _, identity = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return milliseconds(datetime.fromisoformat(instant)), identity
    except (ValueError, TypeError) as error:
        raise Refused("the page cursor is not one that WindMill gave", hint="start from the first page") from error
