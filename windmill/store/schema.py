"""The embedded database file: its tables, its upgrades, and how a connection to it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from windmill.core.errors import Refused, Unavailable
from windmill.store.documents import decode
from windmill.store.sqlite_tally import TALLY
from windmill.store.version import missing

BUSY_SECONDS: Final = 30
_WAL_BYTES_KEPT: Final = 64 << 20
_CACHE_KIB: Final = (
    16 << 10
)  # the pages of indexes that every write touches; with less, they are read again and again

# Rows are appended in time order and found by index: with 64 KiB blocks a table without rowid, ordered by random
# execution ids, writes a third slower. Columns that never change close the indexes, so that a filter on them
# is answered before the row is fetched.
_TABLES: Final = """
CREATE TABLE execution (
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    state TEXT NOT NULL,
    trigger TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE INDEX execution_by_time ON execution (queued_at, id, project, trigger);
CREATE INDEX execution_by_job ON execution (job, state, queued_at, id, trigger);
CREATE INDEX execution_ran ON execution (job, queued_at, id) WHERE state <> 'skipped';
CREATE INDEX execution_by_state ON execution (state, queued_at, id, project, trigger);

CREATE TABLE output (
    execution TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    at INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (execution, first)
);

CREATE TABLE job (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE status (name TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE request (
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE INDEX request_pending ON request (at, id) WHERE state = 'pending';
"""

_DEFINITIONS: Final = """
CREATE TABLE definition (
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE INDEX definition_by_job ON definition (job, seen_at, id);
"""

# What pages ask for, beside what lists are led by: the index of all in order of time, and that of a job, hold
# everything that a filter may try, and the bars of a job are drawn from an index alone.
_PAGES: Final = """
DROP INDEX execution_by_time;
DROP INDEX execution_by_job;
DROP INDEX execution_ran;
ALTER TABLE execution ADD COLUMN duration_ms INTEGER;
ALTER TABLE execution ADD COLUMN revision TEXT;
UPDATE execution SET duration_ms = stored('duration_ms', document), revision = stored('revision', document);
CREATE INDEX execution_by_time ON execution (queued_at, id, job, state, trigger, duration_ms, revision);
CREATE INDEX execution_by_job ON execution (job, state, queued_at, id, trigger, duration_ms, revision);
CREATE INDEX execution_ran ON execution (job, queued_at, id, state, duration_ms) WHERE state <> 'skipped';
CREATE INDEX IF NOT EXISTS execution_by_project ON execution (project, state, queued_at, id, trigger);
CREATE INDEX request_by_time ON request (at, id);
"""

# The failure's fingerprint is tried and counted on the entries of the two indexes that lead to a job's executions.
_FAILURES: Final = """
DROP INDEX execution_by_time;
DROP INDEX execution_by_job;
ALTER TABLE execution ADD COLUMN failure TEXT;
CREATE INDEX execution_by_time ON execution (queued_at, id, job, state, trigger, duration_ms, revision, failure);
CREATE INDEX execution_by_job ON execution (job, state, queued_at, id, trigger, duration_ms, revision, failure);
"""

# A file's version (user_version) is how many of these it has taken. A step that was released never changes: a new
# form of the data is one more step, so that a new file and an old one end up the same.
STEPS: Final = (_TABLES, _DEFINITIONS, _PAGES + TALLY, _FAILURES)

_SENTENCES: Final = {
    sqlite3.SQLITE_FULL: ("the disk of the store is full", "free some space; everything waits in the journal"),
    sqlite3.SQLITE_BUSY: (f"the store was locked by another process for {BUSY_SECONDS} seconds", ""),
    sqlite3.SQLITE_LOCKED: ("the store is locked", ""),
    sqlite3.SQLITE_CORRUPT: ("the store's file is damaged", "restore it from a backup or move it away"),
    sqlite3.SQLITE_NOTADB: ("the store's file is not a database", "move it away; a new one is created"),
    sqlite3.SQLITE_READONLY: ("the store may not be written", "check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("the store cannot be opened", "check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_PERM: ("the store may not be read", "check the owner and mode of the file"),
    sqlite3.SQLITE_IOERR: ("reading or writing the store failed", "check the disk; WAL needs a local file system"),
}
_ABOUT_A_VALUE: Final = (sqlite3.DataError, sqlite3.IntegrityError)
_NOT_BOUND: Final = "Error binding"  # how the driver begins to say that it knows no column type for a value


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn whatever the driver raises inside into `Unavailable` or, where a value is at fault, `Refused`."""
    try:
        yield
    except sqlite3.Error as error:
        if isinstance(error, _ABOUT_A_VALUE) or str(error).startswith(_NOT_BOUND):
            raise Refused(f"the store cannot keep such a value: {error}") from error
        code = getattr(error, "sqlite_errorcode", None)
        sentence, hint = _SENTENCES.get((code or 0) & 0xFF, (f"the store does not answer: {error}", ""))
        raise Unavailable(f"{sentence} ({path})", hint=hint) from error


def connect(path: Path, *, readonly: bool, steps: Sequence[str] = STEPS) -> sqlite3.Connection:
    """Return a connection in autocommit mode to a file that has taken all `steps`.

    A writer creates what is missing, with mode 0600, and upgrades what is older. Raises Unavailable when the file
    cannot be used, or is missing or older for a reader; Refused when a newer WindMill wrote it.
    """
    if readonly and not path.exists():
        raise _nothing_yet(path)
    if not readonly:
        _create(path)
    with answering(path):
        mode = "ro" if readonly else "rw"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
    try:
        with answering(path):
            prepare = _check if readonly else _prepare
            prepare(connection, path, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file for its owner alone; one that exists must not be opened here.

    Closing any descriptor of a file drops all POSIX locks the process holds on it, those of SQLite included:
    https://www.sqlite.org/howtocorrupt.html, section 2.2.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Unavailable(
            f"the store cannot be opened ({path}): {error.strerror}",
            hint="check the owner and mode of the file and its folder",
        ) from error


def _check(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    version, left = _left(connection, path, steps)
    if left:
        raise _older(path, version) if version else _nothing_yet(path)


def _prepare(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    _, left = _left(connection, path, steps)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if left:
        _upgrade(connection, path, steps)


def _upgrade(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    """Take all steps that are left in one transaction; whatever fails, the file stays as it was."""
    connection.create_function("stored", 2, _stored, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    _, left = _left(connection, path, steps)  # another process may have been first
    for step in left:
        for statement in _statements(step):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(steps)}")
    connection.execute("COMMIT")


def _statements(step: str) -> Iterator[str]:
    """Yield the statements of a step; that of a trigger has statements inside."""
    statement = ""
    for piece in step.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _stored(name: str, blob: bytes) -> Any:
    """Return one field of a stored document, for steps that give it a column."""
    return decode(blob).get(name)


def _left(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Return the file's version and the steps it has yet to take."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version, missing(version, steps, where=str(path))


def _older(path: Path, version: int) -> Unavailable:
    return Unavailable(
        f"the store is that of an older WindMill: schema {version} ({path})",
        hint="windmill up upgrades it; restart the scheduler if one still runs",
    )


def _nothing_yet(path: Path) -> Unavailable:
    return Unavailable(f"no store yet: {path} does not exist or is empty", hint="windmill up")
