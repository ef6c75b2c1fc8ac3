"""Writes into the embedded store, which may be repeated; each within the transaction of its caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.ports import Batch
from windmill.store.documents import (
    decode,
    encode,
    fingerprint,
    milliseconds,
    revised,
    stored_execution,
    stored_request,
)
from windmill.store.sqlite_definitions import put_definitions

# States only move forward: what is stored as terminal stays, and running never becomes queued again.
_PUT_EXECUTION: Final = """
INSERT INTO execution (id, job, project, state, trigger, queued_at, duration_ms, revision, failure, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET job = excluded.job, project = excluded.project, state = excluded.state,
    trigger = excluded.trigger, queued_at = excluded.queued_at, duration_ms = excluded.duration_ms,
    revision = excluded.revision, failure = excluded.failure, document = excluded.document
WHERE execution.state = 'queued' OR (execution.state = 'running' AND excluded.state <> 'queued')"""
_PUT_OUTPUT: Final = """
INSERT INTO output (execution, first, last, stream, at, data) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_DROP_OUTPUT: Final = "DELETE FROM output WHERE execution = ? AND first >= ? AND first <= ?3 AND last <= ?3"
_PUT_JOB: Final = "INSERT INTO job VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document"
_PUT_STATUS: Final = "INSERT INTO status VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document"
_ADD_REQUEST: Final = "INSERT INTO request (id, state, at, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UNANSWERED: Final = "SELECT document FROM request WHERE id = ? AND state = 'pending'"
_ANSWER_REQUEST: Final = "UPDATE request SET state = ?, document = ? WHERE id = ?"
_DELETE_EXECUTION: Final = "DELETE FROM execution WHERE id = ? AND state NOT IN ('queued', 'running')"
_DELETE_OUTPUT: Final = "DELETE FROM output WHERE execution = ?"


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Apply the batch."""
    put_definitions(connection, batch.definitions)
    connection.executemany(_PUT_EXECUTION, map(_execution_row, batch.executions))
    connection.executemany(_PUT_OUTPUT, batch.output)
    connection.executemany(_DROP_OUTPUT, [(drop.execution, drop.first, drop.last) for drop in batch.drops])
    status = {**batch.status, **(revised() if _put_jobs(connection, batch.jobs) else {})}
    connection.executemany(_PUT_STATUS, [(name, encode(document)) for name, document in status.items()])
    for answer in batch.answers:
        _answer(connection, answer)


def add_request(connection: sqlite3.Connection, request: Document) -> None:
    """Store the request unless its id is there already."""
    connection.execute(_ADD_REQUEST, _request_row(request))


def delete(connection: sqlite3.Connection, execution: str) -> bool:
    """Delete the execution and its output unless it is open; return whether it was there."""
    if not connection.execute(_DELETE_EXECUTION, (execution,)).rowcount:
        return False
    connection.execute(_DELETE_OUTPUT, (execution,))
    return True


def _execution_row(document: Document) -> tuple[Any, ...]:
    stored = stored_execution(document)
    return (
        document["id"], document["job"], stored["project"], document["state"], document["trigger"],
        milliseconds(stored["queued_at"]), stored["duration_ms"], document.get("revision"), fingerprint(document),
        encode(stored),
    )  # fmt: skip


def _request_row(document: Document) -> tuple[Any, ...]:
    stored = stored_request(document)
    return document["id"], document["state"], milliseconds(stored["at"]), encode(stored)


def _put_jobs(connection: sqlite3.Connection, jobs: Iterable[Document]) -> bool:
    """Write the fields the documents name and return whether any is new; what is known of a deleted job stays."""
    changed = False
    for job in jobs:
        known = connection.execute("SELECT document FROM job WHERE id = ?", (job["id"],)).fetchone()
        merged = encode({**decode(known[0]), **job} if known else job)
        if not known or merged != known[0]:
            connection.execute(_PUT_JOB, (job["id"], merged))
            changed = True
    return changed


def _answer(connection: sqlite3.Connection, answer: Document) -> None:
    for (blob,) in connection.execute(_UNANSWERED, (answer["id"],)).fetchall():
        answered = {**decode(blob), "state": answer["state"], "answer": answer["answer"]}
        connection.execute(_ANSWER_REQUEST, (answer["state"], encode(answered), answer["id"]))
