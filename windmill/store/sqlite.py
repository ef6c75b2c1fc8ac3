"""The embedded store: one SQLite file, durable on every write, readable by any number of processes.

The file must lie on a local disk; WAL does not work over NFS.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.errors import Refused, Unavailable
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Page
from windmill.store import sqlite_dump, sqlite_pages, sqlite_writes
from windmill.store.containing import containing
from windmill.store.documents import decode, milliseconds, returned
from windmill.store.expiry import find_expired
from windmill.store.listing import IDS, NEWEST, newest_first, page, place_after, resolve
from windmill.store.schema import answering, connect
from windmill.store.sqlite_failures import failure_groups, select_failures
from windmill.store.sqlite_listing import JOBS, find_horizon, select_page
from windmill.store.sqlite_tally import select_tally, tallied

# A loose index scan: one seek finds the next job, one more its newest execution.
_LATEST: Final = """
WITH RECURSIVE names (job) AS (
    SELECT min(job) FROM execution INDEXED BY execution_ran WHERE state <> 'skipped'
    UNION ALL
    SELECT (SELECT min(job) FROM execution INDEXED BY execution_ran WHERE job > names.job AND state <> 'skipped')
    FROM names WHERE job IS NOT NULL
)
SELECT document FROM names JOIN execution ON execution.rowid = (
    SELECT rowid FROM execution AS newest INDEXED BY execution_ran
    WHERE newest.job = names.job AND state <> 'skipped' ORDER BY queued_at DESC, id DESC LIMIT 1)"""
_OPEN: Final = """
SELECT document FROM execution INDEXED BY execution_by_state
WHERE state IN ('queued', 'running') ORDER BY queued_at, id"""
_BY_PREFIX: Final = "SELECT document FROM execution WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_NAMED: Final = "SELECT document FROM execution WHERE id IN (SELECT value FROM json_each(?))"
_BLOCKS_AFTER: Final = """
SELECT execution, first, last, stream, at, data FROM output WHERE execution = ?1 AND last > ?2 AND first >= coalesce(
    (SELECT max(first) FROM output WHERE execution = ?1 AND first <= ?2), 0) ORDER BY first"""
_BLOCKS_BACKWARD: Final = """
SELECT execution, first, last, stream, at, data FROM output WHERE execution = ? ORDER BY first DESC"""
_LAST_SEQUENCE: Final = "SELECT last FROM output WHERE execution = ? ORDER BY first DESC LIMIT 1"
_PENDING: Final = """
SELECT document FROM request INDEXED BY request_pending WHERE state = 'pending' ORDER BY at, id LIMIT ?"""


class SqliteStore:
    """`core.ports.Store` in the SQLite file at `path`; a reader never writes and fails while there is no file.

    Raises Unavailable when the file cannot be used and Refused when a newer WindMill wrote it.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._path = path
        self._connection = connect(path, readonly=readonly)
        self._file = _identity(path)

    def write(self, batch: Batch) -> None:
        """Apply the batch in one transaction, on disk when this returns."""
        with self._transaction() as connection:
            sqlite_writes.write(connection, batch)

    def execution(self, prefix: str) -> Document | None:
        """Return the execution whose id starts with `prefix`, or None. Raises Refused when several do."""
        found = self._documents(_BY_PREFIX, (prefix, prefix + "g", 3))  # ids are hex digits
        if len(found) > 1:
            names = ", ".join(document["id"] for document in found)
            raise Refused(f"several executions begin with {prefix!r}, such as {names}", hint="give more digits")
        return found[0] if found else None

    def named(self, executions: Sequence[str]) -> dict[str, Document]:
        """Return those of the executions that there are, by id."""
        return {one["id"]: one for one in self._documents(_NAMED, (json.dumps(list(executions)),))}

    def executions(self, wanted: ExecutionFilter, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of matching executions, newest first. Raises Refused for a cursor that is none of ours."""
        if wanted.contains:
            return containing(self, wanted, limit=limit, cursor=cursor)
        search = resolve(wanted, cursor, lambda: [row[0] for row in self._rows(JOBS)])
        with answering(self._path):
            horizon = find_horizon(self._connection, search)
        search = search.down_to(horizon)
        found = self._documents(*select_page(search, limit=limit + 1))
        if search.ids:
            named = self._documents(_BY_PREFIX, (search.ids, search.ids + "g", IDS))
            found = newest_first([*found, *search.matching(named)])
        return page(found, limit, horizon)

    def recent(self, jobs: Sequence[str], *, limit: int = 20) -> dict[str, list[Document]]:
        """Return {id, state, queued_at, duration_ms} of the last executions of each job that were not skipped."""
        with answering(self._path):
            return sqlite_pages.recent(self._connection, jobs, limit=limit)

    def neighbours(self, execution: Document) -> tuple[Document | None, Document | None]:
        """Return the executions of its job before and after this one that were not skipped, as `recent` does."""
        place = (execution["job"], milliseconds(datetime.fromisoformat(execution["queued_at"])), execution["id"])
        before, after = (self._rows(query, place) for query in (sqlite_pages.BEFORE, sqlite_pages.AFTER))
        return _only(sqlite_pages.brief(before)), _only(sqlite_pages.brief(after))

    def tally(
        self, *, job: str = "", project: str = "", since: datetime | None = None, until: datetime | None = None
    ) -> list[Document]:
        """Return {day, state, count, duration_ms} of ended executions, by UTC day of `queued_at` and by state."""
        return tallied(self._rows(*select_tally(job=job, project=project, since=since, until=until)))

    def failures(self, job: str, *, since: datetime | None = None, until: datetime | None = None) -> list[Document]:
        """Return what the job's failures have in common, by fingerprint; see `core.ports.Store`."""
        return failure_groups(self._rows(*select_failures(job, since=since, until=until)))

    def open_executions(self) -> list[Document]:
        """Return all queued and running executions, oldest first."""
        return self._documents(_OPEN)

    def latest_executions(self) -> dict[str, Document]:
        """Return the newest execution of each job that was not skipped, by job key."""
        return {document["job"]: document for document in self._documents(_LATEST)}

    def output(self, execution: str, *, after: int = 0, limit: int = 4 << 20) -> list[OutputBlock]:
        """Return blocks with `last` > after in order, about `limit` bytes at most (at least one block)."""
        blocks: list[OutputBlock] = []
        for block in self._blocks(_BLOCKS_AFTER, (execution, after)):
            limit -= len(block.data)
            if blocks and limit < 0:
                break
            blocks.append(block)
        return blocks

    def output_tail(self, execution: str, *, size: int) -> list[OutputBlock]:
        """Return the last blocks, in order, that together hold at least `size` bytes (or all there are)."""
        blocks: list[OutputBlock] = []
        if size <= 0:
            return blocks
        for block in self._blocks(_BLOCKS_BACKWARD, (execution,)):
            blocks.append(block)
            size -= len(block.data)
            if size <= 0:
                break
        return blocks[::-1]

    def last_sequence(self, execution: str) -> int:
        """Return the last frame sequence stored for the execution, 0 for none."""
        rows = self._rows(_LAST_SEQUENCE, (execution,))
        return rows[0][0] if rows else 0

    def jobs(self) -> list[Document]:
        """Return all job documents, by id."""
        return self._documents("SELECT document FROM job ORDER BY id")

    def job(self, key: str) -> Document | None:
        """Return the job document of that id, or None."""
        return _only(self._documents("SELECT document FROM job WHERE id = ?", (key,)))

    def definition(self, digest: str) -> Document | None:
        """Return what executions with that `job_digest` ran with, or None."""
        return _only(self._documents("SELECT document FROM definition WHERE id = ?", (digest,)))

    def status(self, name: str) -> Document | None:
        """Return the status document of that name, or None."""
        return _only(self._documents("SELECT document FROM status WHERE name = ?", (name,)))

    def add_request(self, request: Document) -> None:
        """Store a request, pending unless it says another state; the same id twice is one request."""
        with self._transaction() as connection:
            sqlite_writes.add_request(connection, {"state": "pending", **request})

    def request(self, identity: str) -> Document | None:
        """Return the request with its state and answer."""
        return _only(self._documents("SELECT document FROM request WHERE id = ?", (identity,)))

    def requests(self, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of requests, newest first. Raises Refused for a cursor that is none of ours."""
        place = NEWEST if cursor is None else place_after(cursor)
        return page(self._documents(sqlite_pages.REQUESTS, (*place, limit + 1)), limit, order="at")

    def pending_requests(self, *, limit: int = 100) -> list[Document]:
        """Return pending requests, oldest first. One look into an index of pending requests only."""
        self._stay()
        return self._documents(_PENDING, (limit,))

    def expired(
        self,
        job: str,
        *,
        before: datetime | None,
        beyond: int | None,
        after: Document | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Return ended executions of the job that need not be kept, oldest first, from `after` on."""
        with self._transaction("BEGIN") as connection:
            found = find_expired(connection, job, before=before, beyond=beyond, after=after, limit=limit)
        return [returned(decode(blob)) for blob in found]

    def delete(self, executions: Sequence[str]) -> int:
        """Delete these executions and their output in one transaction; return how many. Open ones stay."""
        with self._transaction() as connection:
            return sum(sqlite_writes.delete(connection, execution) for execution in executions)

    def dump(self, collection: str) -> Iterator[bytes]:
        """Yield the collection as BSON in the form MongoDB keeps it, by `_id`; writes meanwhile are not seen."""
        with answering(self._path), closing(connect(self._path, readonly=True)) as connection:
            yield from sqlite_dump.dump(connection, collection)

    def load(self, collection: str, documents: Sequence[bytes]) -> int:
        """Store dumped documents whose `_id` is not there yet, in one transaction; return how many those were."""
        rows = sqlite_dump.rows(collection, documents)
        with self._transaction() as connection:
            return sqlite_dump.insert(connection, collection, rows)

    def close(self) -> None:
        """Release the connection; the object is not used afterwards."""
        with answering(self._path):
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with answering(self._path):
            connection.execute(begin)
            try:
                self._stay()
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _stay(self) -> None:
        """Raise Unavailable when somebody took the open file away: nobody would find what is written into it."""
        if _identity(self._path) != self._file:
            raise Unavailable(
                f"the store's file was deleted or replaced while in use ({self._path})",
                hint="what is there now is used from here on; put the old file back while WindMill is stopped",
            )

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            with answering(self._path):
                return self._connection.execute(query, values).fetchall()
        except UnicodeEncodeError:  # an argument with stray bytes equals nothing that is stored
            return []

    def _documents(self, query: str, values: Sequence[Any] = ()) -> list[Document]:
        return [returned(decode(row[0])) for row in self._rows(query, values)]

    def _blocks(self, query: str, values: Sequence[Any]) -> Iterator[OutputBlock]:
        with answering(self._path):
            cursor = self._connection.execute(query, values)
            try:
                yield from map(OutputBlock._make, cursor)
            finally:
                cursor.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file the path names; asking opens nothing: see `schema`."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _only(documents: list[Document]) -> Document | None:
    return documents[0] if documents else None
