from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from tests.support.executions import START, document, identity
from windmill.core.errors import Refused, Unavailable
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock
from windmill.store import schema
from windmill.store import sqlite as sqlite_store
from windmill.store.sqlite import SqliteStore
from windmill.store.version import VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a b%?.db"  # everything a file URI must escape


@pytest.fixture
def writer(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        store.write(Batch(executions=[document(1)], output=[OutputBlock(identity(1), 1, 1, 1, 0, b"out")]))
        yield store


# The file


def test_a_writer_creates_a_file_that_nobody_else_may_read(path: Path, writer: SqliteStore) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {path.name + suffix: 0o600 for suffix in ("", "-wal", "-shm")}


def test_a_reader_of_a_missing_file_is_told_what_to_do_and_creates_nothing(path: Path) -> None:
    with pytest.raises(Unavailable, match="no store yet") as raised:
        SqliteStore(path, readonly=True)
    assert raised.value.hint == "windmill up"
    assert not path.exists()


def test_a_reader_of_a_file_that_is_only_begun_is_told_that_there_is_no_store_yet(path: Path) -> None:
    path.touch()
    with pytest.raises(Unavailable, match="no store yet"):
        SqliteStore(path, readonly=True)


def test_a_folder_that_is_missing_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file or directory"):
        SqliteStore(tmp_path / "missing" / "windmill.db")


def test_data_of_a_newer_version_is_refused_and_left_alone(path: Path, writer: SqliteStore) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    for readonly in (False, True):
        with pytest.raises(Refused, match="newer WindMill: schema 999"):
            SqliteStore(path, readonly=readonly)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_no_database_is_said_in_words(path: Path, readonly: bool) -> None:
    path.write_text("this is a diary, not a database\n" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        SqliteStore(path, readonly=readonly)


def test_a_damaged_file_is_said_in_words(path: Path, writer: SqliteStore) -> None:
    writer.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    with pytest.raises(Unavailable, match="damaged"), closing(SqliteStore(path)) as store:
        store.write(Batch(executions=[document(2)]))


def test_a_full_disk_is_said_in_words_and_leaves_nothing_half_written(path: Path, writer: SqliteStore) -> None:
    writer._connection.execute("PRAGMA max_page_count = 1")  # it cannot grow any more
    blocks = [OutputBlock(identity(2), first, first, 1, 0, b"x" * 9999) for first in range(1, 99)]
    with pytest.raises(Unavailable, match="disk of the store is full"):
        writer.write(Batch(executions=[document(2)], output=blocks))
    assert writer.execution(identity(2)) is None
    writer._connection.execute("PRAGMA max_page_count = 1000000")
    writer.write(Batch(executions=[document(2)], output=blocks))
    assert writer.last_sequence(identity(2)) == 98


def test_a_lock_that_does_not_go_away_is_said_in_words(path: Path, writer: SqliteStore) -> None:
    writer._connection.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked by another process"):
            writer.write(Batch(executions=[document(2)]))
        other.execute("ROLLBACK")
    writer.write(Batch(executions=[document(2)]))


def test_a_batch_that_cannot_be_written_is_undone_and_the_next_one_written(writer: SqliteStore) -> None:
    with pytest.raises(KeyError):
        writer.write(Batch(executions=[document(2)], jobs=[{"name": "without an id"}]))
    writer.write(Batch(jobs=[{"id": "p/a"}]))
    assert writer.execution(identity(2)) is None
    assert writer.jobs() == [{"id": "p/a"}]


def test_a_closed_store_is_unavailable_and_not_a_drivers_error(writer: SqliteStore) -> None:
    writer.close()
    with pytest.raises(Unavailable):
        writer.jobs()


# Readers beside the writer


def test_a_reader_sees_what_a_living_writer_writes(path: Path, writer: SqliteStore) -> None:
    with closing(SqliteStore(path, readonly=True)) as reader:
        assert reader.execution(identity(2)) is None
        writer.write(Batch(executions=[document(2)]))
        assert reader.execution(identity(2)) is not None


def test_a_reader_works_when_the_writer_is_gone_and_beside_the_next_one(path: Path, writer: SqliteStore) -> None:
    writer.close()
    assert not path.with_name(path.name + "-wal").exists()
    with closing(SqliteStore(path, readonly=True)) as reader:
        assert reader.execution(identity(1)) is not None
        with closing(SqliteStore(path)) as successor:
            successor.write(Batch(executions=[document(2)]))
            assert reader.execution(identity(2)) is not None


def test_a_reader_cannot_write(path: Path, writer: SqliteStore) -> None:
    with closing(SqliteStore(path, readonly=True)) as reader, pytest.raises(Unavailable, match="may not be written"):
        reader.write(Batch(jobs=[{"id": "p/a"}]))


def test_reading_output_slowly_holds_no_lock(path: Path, writer: SqliteStore) -> None:
    with closing(SqliteStore(path, readonly=True)) as reader:
        reader.output(identity(1), limit=1)
        assert not reader._connection.in_transaction
        writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.with_name(path.name + "-wal").stat().st_size == 0


# Query plans


READS: list[Callable[[SqliteStore], object]] = [
    lambda store: store.execution("ab"),
    lambda store: store.open_executions(),
    lambda store: store.latest_executions(),
    lambda store: store.output(identity(1), after=5),
    lambda store: store.output_tail(identity(1), size=9),
    lambda store: store.last_sequence(identity(1)),
    lambda store: store.request("a"),
    lambda store: store.status("scheduler"),
    lambda store: store.executions(ExecutionFilter()),
    lambda store: store.executions(ExecutionFilter(job="p/a")),
    lambda store: store.executions(ExecutionFilter(job="p/a", states=frozenset({State.FAILED}), since=START)),
    lambda store: store.executions(ExecutionFilter(states=frozenset({State.FAILED, State.LOST}), until=START)),
    lambda store: store.executions(ExecutionFilter(project="p", triggers=frozenset({"manual"}))),
    lambda store: store.executions(ExecutionFilter(since=START, until=START)),
    lambda store: store.executions(ExecutionFilter(jobs=frozenset({"p/a", "p/b"}), longer_than=timedelta(1))),
    lambda store: store.executions(ExecutionFilter(revision="a", project="p")),
    lambda store: store.executions(ExecutionFilter(text="abcd")),
    lambda store: store.recent(["p/a"]),
    lambda store: store.neighbours(document(1)),
    lambda store: store.tally(since=START, until=START + timedelta(days=9, hours=1)),
    lambda store: store.tally(project="p", until=START + timedelta(hours=1)),
    lambda store: store.requests(),
    lambda store: store.expired("p/a", before=START, beyond=9),
    lambda store: store.expired("p/a", before=START, beyond=9, after=document(1)),
    lambda store: store.delete([identity(1)]),
    lambda store: store.write(
        Batch(
            executions=[document(3)],
            output=[OutputBlock(identity(1), 2, 2, 1, 0, b"")],
            answers=[{"id": "a", "state": "done", "answer": {}}],
        )
    ),
]


@pytest.mark.parametrize("call", READS)
def test_nothing_looks_through_a_whole_table(writer: SqliteStore, call: Callable[[SqliteStore], object]) -> None:
    statements: list[str] = []
    writer._connection.set_trace_callback(statements.append)
    call(writer)
    writer._connection.set_trace_callback(None)
    plans = [
        row[3]
        for statement in statements
        if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", statement)
        for row in writer._connection.execute("EXPLAIN QUERY PLAN " + statement)
    ]
    assert plans
    assert [
        plan
        for plan in plans
        if re.match(
            r"SCAN (execution|newest|output|request|job|status|tally)\b(?! USING COVERING INDEX execution_by_time)",
            plan,
        )
    ] == []


def test_output_after_a_sequence_is_sought_and_not_counted_up_to(writer: SqliteStore) -> None:
    plan = writer._connection.execute("EXPLAIN QUERY PLAN " + sqlite_store._BLOCKS_AFTER, (identity(1), 5)).fetchall()
    assert "(execution=? AND first>?)" in plan[0][3]


def test_pending_requests_are_read_from_an_index_that_holds_no_others(writer: SqliteStore) -> None:
    query = "SELECT name FROM sqlite_master WHERE sql LIKE '%ON request%WHERE state = ''pending''%'"
    assert writer._connection.execute(query).fetchall() == [("request_pending",)]


# Several processes


def beside(role: str, path: Path, start: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.store_process", role, str(path), str(start)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def numbers(stream: IO[bytes] | None, least: int) -> list[int]:
    assert stream is not None
    return [int(stream.readline()) for _ in range(least)]


def test_a_writer_readers_and_askers_never_meet_a_lock(path: Path, writer: SqliteStore) -> None:
    roles = [("write", 0), ("read", 0), ("read", 0), ("ask", 0), ("ask", 100_000)]
    processes = [beside(role, path, start) for role, start in roles]
    try:
        for process in processes:
            numbers(process.stdout, 30)
        outcomes = [process.communicate(b"enough") for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [errors for _, errors in outcomes] == [b""] * len(roles)
    assert len(writer.pending_requests(limit=10_000)) >= 30


def test_processes_that_create_the_file_at_once_agree(path: Path) -> None:
    processes = [beside("ask", path, start * 1000) for start in range(4)]
    outcomes = [process.communicate(b"enough", timeout=60) for process in processes]
    assert [errors for _, errors in outcomes] == [b""] * 4


def test_whatever_was_acknowledged_survives_kill_9(path: Path) -> None:
    acknowledged: list[int] = []
    for life in range(10):
        process = beside("write", path, life * 10_000)
        acknowledged += numbers(process.stdout, 1 + life * 3)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged += [int(line) for line in rest.split(b"\n")[:-1]]
    with closing(SqliteStore(path, readonly=True)) as store:
        for number in acknowledged:
            found = store.execution(identity(number))
            assert found is not None
            assert found["state"] == "succeeded"
            assert b"".join(block.data for block in store.output(identity(number))) == b"%d " % number * 4096
        check = store._connection.execute("PRAGMA integrity_check").fetchall()
    assert check == [("ok",)]


def test_a_second_connection_of_a_process_takes_nothing_from_the_first(path: Path, writer: SqliteStore) -> None:
    """POSIX locks belong to the process: closing any descriptor of the file would drop those of its connections."""
    visit = "import sys, pathlib, windmill.store.sqlite as s; s.SqliteStore(pathlib.Path(sys.argv[1])).close()"
    with closing(SqliteStore(path)):
        subprocess.run([sys.executable, "-c", visit, str(path)], check=True, timeout=60)
        writer.write(Batch(jobs=[{"id": "p/b"}]))
        with closing(SqliteStore(path, readonly=True)) as reader:
            assert [job["id"] for job in reader.jobs()] == ["p/b"]


# Dumps


def test_a_dump_shows_one_moment_however_much_is_written_meanwhile(path: Path, writer: SqliteStore) -> None:
    writer.write(Batch(executions=[document(number) for number in range(20)]))
    seen = writer.dump("executions")
    first = next(seen)
    writer.write(Batch(executions=[document(number) for number in range(20, 40)]))
    assert len([first, *seen]) == 20


# Upgrades

LATER = (
    *schema.STEPS,
    "ALTER TABLE execution ADD COLUMN extra TEXT; UPDATE execution SET extra = state",
    "CREATE INDEX execution_extra ON execution (extra)",
)


def shape(path: Path) -> list[tuple[str, str]]:
    """Return every table and index of the file as it is declared, and its version."""
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return [*connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name"), ("version", str(version))]


def test_the_steps_of_a_file_and_the_version_of_every_store_agree() -> None:
    assert len(schema.STEPS) == VERSION


def test_a_writer_takes_an_older_file_through_every_step_it_lacks(path: Path, writer: SqliteStore) -> None:
    writer.close()
    with closing(schema.connect(path, readonly=False, steps=LATER)) as connection:
        assert connection.execute("SELECT id, extra FROM execution").fetchall() == [(identity(1), "succeeded")]


def test_an_upgraded_file_and_a_new_one_are_the_same(path: Path, writer: SqliteStore, tmp_path: Path) -> None:
    writer.close()
    for file in (path, tmp_path / "new.db"):
        schema.connect(file, readonly=False, steps=LATER).close()
    assert shape(path) == shape(tmp_path / "new.db")


def test_an_upgrade_is_done_once(path: Path, writer: SqliteStore) -> None:
    writer.close()
    for _ in range(2):  # adding the column again would fail
        schema.connect(path, readonly=False, steps=LATER).close()


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(path: Path, writer: SqliteStore) -> None:
    writer.close()
    before = shape(path)
    with pytest.raises(Unavailable):
        schema.connect(path, readonly=False, steps=(*LATER, "CREATE TABLE execution (twice)"))
    assert shape(path) == before
    with closing(SqliteStore(path)) as store:
        assert store.execution(identity(1)) is not None


def test_a_reader_of_an_older_file_is_told_who_upgrades_it_and_changes_nothing(
    path: Path, writer: SqliteStore
) -> None:
    before = shape(path)
    with pytest.raises(Unavailable, match=f"older WindMill: schema {VERSION}") as raised:
        schema.connect(path, readonly=True, steps=LATER)
    assert raised.value.hint.startswith("windmill up upgrades it")
    assert shape(path) == before


def test_an_upgraded_file_is_refused_by_the_version_before(path: Path, writer: SqliteStore) -> None:
    writer.close()
    schema.connect(path, readonly=False, steps=LATER).close()
    with pytest.raises(Refused, match=f"newer WindMill: schema {len(LATER)}, this version reads {VERSION}"):
        SqliteStore(path)


def test_two_that_upgrade_at_once_both_find_it_done(path: Path, writer: SqliteStore) -> None:
    writer.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(2) as threads:
        other.execute("BEGIN IMMEDIATE")  # both have looked at the version before either may write
        both = [threads.submit(lambda: schema.connect(path, readonly=False, steps=LATER).close()) for _ in "ab"]
        other.execute("COMMIT")
        assert [one.result() for one in both] == [None, None]
