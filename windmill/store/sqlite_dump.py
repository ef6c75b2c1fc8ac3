"""Collections of the embedded store as MongoDB keeps them, out of its tables and into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.ports import OutputBlock
from windmill.store.documents import decode, encode, fingerprint, milliseconds
from windmill.store.dumps import block_document, block_of, undumped, with_key, without_key

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """How a collection lies in its table: rows in order of `_id`, and a row's way to a document and back."""

    select: str
    insert: str  # leaves a row that is there already
    document: Callable[[Row], Document]
    row: Callable[[Document], Row]


def _keyed(row: Row) -> Document:
    return with_key(decode(row[0]))


def _execution_row(document: Document) -> Row:
    return (
        document["_id"], document["job"], document["project"], document["state"], document["trigger"],
        milliseconds(document["queued_at"]), document.get("duration_ms"), document.get("revision"),
        fingerprint(document), encode(without_key(document)),
    )  # fmt: skip


def _job_row(document: Document) -> Row:
    return document["_id"], encode(without_key(document))


def _status_document(row: Row) -> Document:
    return {"_id": row[0], **decode(row[1])}


def _status_row(document: Document) -> Row:
    return document["_id"], encode({name: value for name, value in document.items() if name != "_id"})


def _request_row(document: Document) -> Row:
    return document["_id"], document["state"], milliseconds(document["at"]), encode(without_key(document))


def _definition_row(document: Document) -> Row:
    return document["_id"], document["job"], milliseconds(document["seen_at"]), encode(without_key(document))


_TABLES: Final[Mapping[str, _Table]] = {
    "executions": _Table(
        "SELECT document FROM execution ORDER BY id",
        "INSERT INTO execution (id, job, project, state, trigger, queued_at, duration_ms, revision, failure,"
        " document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _keyed,
        _execution_row,
    ),
    "output": _Table(
        "SELECT execution, first, last, stream, at, data FROM output ORDER BY execution, first",
        "INSERT INTO output (execution, first, last, stream, at, data) VALUES (?, ?, ?, ?, ?, ?)",
        lambda row: block_document(OutputBlock._make(row)),
        block_of,
    ),
    "jobs": _Table("SELECT document FROM job ORDER BY id", "INSERT INTO job VALUES (?, ?)", _keyed, _job_row),
    "status": _Table(
        "SELECT name, document FROM status ORDER BY name",
        "INSERT INTO status VALUES (?, ?)",
        _status_document,
        _status_row,
    ),
    "requests": _Table(
        "SELECT document FROM request ORDER BY id",
        "INSERT INTO request (id, state, at, document) VALUES (?, ?, ?, ?)",
        _keyed,
        _request_row,
    ),
    "definitions": _Table(
        "SELECT document FROM definition ORDER BY id",
        "INSERT INTO definition (id, job, seen_at, document) VALUES (?, ?, ?, ?)",
        _keyed,
        _definition_row,
    ),
}


def dump(connection: sqlite3.Connection, collection: str) -> Iterator[bytes]:
    """Yield the documents of the collection as BSON, in order of `_id`; one statement, so one state of the file."""
    table = _TABLES[collection]
    for row in connection.execute(table.select):
        yield encode(table.document(row))


def rows(collection: str, documents: Iterable[bytes]) -> list[Row]:
    """Return the rows that hold these dumped documents. Raises Refused for bytes that are no such document."""
    return [_TABLES[collection].row(undumped(collection, blob)) for blob in documents]


def insert(connection: sqlite3.Connection, collection: str, rows: Iterable[Row]) -> int:
    """Insert the rows that are not there yet and return how many those were."""
    inserted = connection.executemany(f"{_TABLES[collection].insert} ON CONFLICT DO NOTHING", rows).rowcount
    if collection == "jobs" and inserted:
        connection.execute("DELETE FROM status WHERE name = 'jobs'")  # what was said of them is true no more
    return inserted
