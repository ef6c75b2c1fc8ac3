"""Data that a released version wrote is read for ever: tests/store/data holds a home's store and its dump."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.store import definition
from tests.support.mongo import MongoServer
from windmill.core.documents import Document, from_document
from windmill.core.errors import Unavailable
from windmill.core.model import TERMINAL, State
from windmill.core.ports import COLLECTIONS, Batch, ExecutionFilter, Store
from windmill.store import schema
from windmill.store.mongo import MongoStore
from windmill.store.restore import restore
from windmill.store.sqlite import SqliteStore

DATA = Path(__file__).parent / "data"
VERSIONS = sorted(path.name for path in DATA.iterdir())
COUNTS = {"executions": 13, "output": 21, "jobs": 6, "status": 2, "requests": 12, "definitions": 0}
TABLES = {
    "executions": "execution",
    "output": "output",
    "jobs": "job",
    "status": "status",
    "requests": "request",
    "definitions": "definition",
}

pytestmark = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
def file(version: str, tmp_path: Path) -> Path:
    """A copy of the version's store, as its scheduler left it."""
    return Path(shutil.copy(DATA / version / "windmill.db", tmp_path))


def check(store: Store) -> None:
    """Hold the store to what the home had seen when it was put away."""
    found = store.executions(ExecutionFilter(), limit=100).items
    assert {one["state"] for one in found} == set(State) - {State.QUEUED}
    assert [from_document(one).id for one in found] == [one["id"] for one in found]
    assert [one["job"] for one in store.open_executions()] == ["p/slow"]
    assert {len(one["params"]) for one in found if one["job"] == "p/good"} == {1}
    (retried,) = (one for one in found if one["retry_of"])
    assert (retried["job"], retried["attempt"], retried["exit_code"]) == ("p/bad", 2, 3)
    good = store.latest_executions()["p/good"]
    output = b"".join(block.data for block in store.output(good["id"]))
    assert bytes(range(256)) + "olá 😀\n".encode() in output
    assert b"region ['PT']\n" in output
    assert [one["id"] for one in store.jobs() if one["deleted"]] == ["p/cut", "p/often"]
    assert [one["kind"] for one in store.pending_requests()] == ["pause"]
    assert store.status("scheduler") is not None
    check_pages(store, found)


def check_pages(store: Store, found: list[Document]) -> None:
    """Hold what pages ask to what the store lists, whatever it did not keep yet when it was written."""
    ended = [one for one in found if one["state"] in TERMINAL]
    assert sum(one["count"] for one in store.tally()) == len(ended)
    assert sum(one["duration_ms"] for one in store.tally()) == sum(one["duration_ms"] or 0 for one in ended)
    for job in {one["job"] for one in found}:
        ran = [one for one in found if one["job"] == job and one["state"] != State.SKIPPED]
        brief = [{name: one[name] for name in ("id", "state", "queued_at", "duration_ms")} for one in ran]
        assert store.recent([job]).get(job, []) == brief
    slow = ExecutionFilter(longer_than=timedelta(milliseconds=300))
    assert store.executions(slow).items == [one for one in found if (one["duration_ms"] or 0) >= 300] != []
    assert len(store.requests().items) == COUNTS["requests"]


def _count(connection: sqlite3.Connection, table: str) -> int:
    rows: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return rows


def declared(file: Path) -> list[tuple[str, str]]:
    """Return every table and index of the file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_a_writer_brings_the_store_to_the_tables_and_indexes_of_now(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path / "new.db"):
        SqliteStore(path).close()
    assert declared(file) == declared(tmp_path / "new.db")


def test_a_reader_leaves_an_older_store_as_it_is_and_says_what_upgrades_it(file: Path) -> None:
    before = declared(file)
    with pytest.raises(Unavailable, match="older WindMill: schema") as raised:
        SqliteStore(file, readonly=True)
    assert "windmill up" in raised.value.hint
    assert declared(file) == before


def test_the_store_is_upgraded_and_shows_all_it_held(file: Path) -> None:
    with closing(SqliteStore(file)) as store:
        check(store)
        store.write(Batch(definitions=[definition("d")]))
        assert store.definition("d") == definition("d")


def test_an_upgrade_keeps_every_document(file: Path) -> None:
    with closing(SqliteStore(file)) as store:
        assert {name: sum(1 for _ in store.dump(name)) for name in COLLECTIONS} == COUNTS


def test_the_dump_is_restored_into_a_store_of_now(version: str, tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        counts = restore(store, DATA / version / "dump")
        assert {name: done.added for name, done in counts.items()} == COUNTS
        check(store)


def test_the_dump_is_restored_into_a_database_of_now(version: str, tmp_path: Path) -> None:
    with MongoServer(tmp_path / "server") as server, closing(MongoStore(server.uri())) as store:
        counts = restore(store, DATA / version / "dump")
        assert {name: done.added for name, done in counts.items()} == COUNTS
        check(store)


def test_a_step_that_is_yet_to_come_keeps_every_row(file: Path) -> None:
    later = (*schema.STEPS, "ALTER TABLE execution ADD COLUMN extra TEXT")
    with closing(schema.connect(file, readonly=False, steps=later)) as connection:
        found = {name: _count(connection, table) for name, table in TABLES.items()}
    assert found == COUNTS


def test_the_store_and_its_dump_hold_the_same(version: str, file: Path, tmp_path: Path) -> None:
    with closing(SqliteStore(file)) as kept, closing(SqliteStore(tmp_path / "new.db")) as restored:
        restore(restored, DATA / version / "dump")
        assert [list(kept.dump(name)) for name in COLLECTIONS] == [list(restored.dump(name)) for name in COLLECTIONS]
