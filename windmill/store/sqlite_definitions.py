"""Definitions in the embedded store: what executions ran with, the newest of each job."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.ports import DEFINITIONS_KEPT
from windmill.store.documents import encode, milliseconds, stored_definition

_PUT: Final = """
INSERT INTO definition (id, job, seen_at, document) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET job = excluded.job, seen_at = excluded.seen_at, document = excluded.document
WHERE excluded.seen_at > definition.seen_at"""
_FORGET: Final = """
DELETE FROM definition WHERE job = ?1 AND (seen_at, id) <= (
    SELECT seen_at, id FROM definition WHERE job = ?1 ORDER BY seen_at DESC, id DESC LIMIT 1 OFFSET ?2)"""


def put_definitions(connection: sqlite3.Connection, definitions: Sequence[Document]) -> None:
    """Write what is new or seen again later, and let go of what is beyond the newest of each job."""
    connection.executemany(_PUT, map(_row, definitions))
    connection.executemany(_FORGET, [(job, DEFINITIONS_KEPT) for job in sorted({one["job"] for one in definitions})])


def _row(document: Document) -> tuple[Any, ...]:
    stored = stored_definition(document)
    return document["id"], document["job"], milliseconds(stored["seen_at"]), encode(stored)
