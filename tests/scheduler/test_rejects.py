from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.executions import START, document, identity
from tests.support.faults import Faults, failing
from windmill.core.documents import Document
from windmill.core.errors import Refused, Unavailable
from windmill.core.model import State
from windmill.core.ports import Batch, Drop, ExecutionFilter, OutputBlock
from windmill.scheduler.rejects import FILES_MAX, TEXT_MAX, Item, Rejects, write
from windmill.store.sqlite import SqliteStore

PROOF = Batch(status={"recorder": {"id": "recorder"}})


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with closing(SqliteStore(tmp_path / "windmill.db")) as store:
        yield store


def written(store: SqliteStore, batch: Batch) -> list[Item]:
    rejected: list[Item] = []
    write(store, batch, lambda item, _reason: rejected.append(item), proof=PROOF)
    return rejected


def block(number: int, first: int, last: int | None = None) -> OutputBlock:
    return OutputBlock(identity(number), first, last or first, 1, 0, b"%d" % first)


def test_what_is_storable_is_stored_around_what_is_not(store: SqliteStore) -> None:
    bad, huge = {"id": {"not": "text"}}, block(1, 2, 1 << 64)
    batch = Batch(
        executions=[document(1), {"id": "no job"}],
        output=[block(1, 1), huge, block(1, 3)],
        jobs=[{"id": "p/a"}, bad, {"id": "p/b"}],
    )
    rejected = written(store, batch)
    assert [(item.kind, item.value) for item in rejected] == [
        ("output", huge),
        ("execution", {"id": "no job"}),
        ("job", bad),
    ]
    assert [one["id"] for one in store.executions(ExecutionFilter()).items] == [identity(1)]
    assert [one.first for one in store.output(identity(1))] == [1, 3]
    assert [one["id"] for one in store.jobs()] == ["p/a", "p/b"]


def test_an_item_alone_in_its_batch_is_found_too(store: SqliteStore) -> None:
    assert [item.name for item in written(store, Batch(jobs=[{"no": "id"}]))] == ["?"]


good_executions = st.builds(document, st.integers(1, 30), st.sampled_from(State))
bad_executions = st.sampled_from(
    [{}, {"id": identity(99)}, document(98) | {"queued_at": "yesterday"}, document(97) | {"job": 7}]
)
good_blocks = st.builds(block, st.integers(1, 5), st.integers(1, 50))
bad_blocks = st.sampled_from([block(1, 1 << 63), OutputBlock(identity(1), 60, 60, 1, 1 << 70, b"")])
good_jobs = st.builds(lambda n: {"id": f"p/{n}", "n": n}, st.integers(1, 20))
bad_jobs = st.sampled_from([{}, {"id": []}, {"id": "p/odd", "n": object()}])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(good_executions | bad_executions, max_size=12),
    st.lists(good_blocks | bad_blocks, max_size=8),
    st.lists(good_jobs | bad_jobs, max_size=8),
)
def test_whatever_is_in_a_batch_all_that_can_be_stored_is_stored(
    executions: list[Document], output: list[OutputBlock], jobs: list[Document]
) -> None:
    with TemporaryDirectory() as name, closing(SqliteStore(Path(name) / "windmill.db")) as store:
        rejected = written(store, Batch(executions=executions, output=output, jobs=jobs))
        kept = {
            kind: [item.value for item in rejected if item.kind == kind] for kind in ("execution", "output", "job")
        }
        expected = {one["id"] for one in executions if one not in kept["execution"]}
        assert {one["id"] for one in store.executions(ExecutionFilter(), limit=99).items} == expected
        for one in output:
            stored = [found.first for found in store.output(one.execution)]
            assert (one.first in stored) == (one not in kept["output"])
        assert {one["id"] for one in store.jobs()} == {one["id"] for one in jobs if one not in kept["job"]}
        storable = [one for one in executions if one in [document(n, s) for n in range(1, 31) for s in State]]
        assert not [one for one in storable if one in kept["execution"]]


def test_a_failure_that_does_not_come_back_sets_nothing_aside(store: SqliteStore) -> None:
    faults = Faults(at=0, error=ZeroDivisionError)
    rejected: list[Item] = []
    write(failing(store, faults), Batch(jobs=[{"id": "p/a"}]), lambda i, _: rejected.append(i), proof=PROOF)
    assert (rejected, faults.met) == ([], True)
    assert store.jobs() == [{"id": "p/a"}]


class Refusing:
    """A store that takes nothing, for a reason that is no fault of any document."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.writes = 0

    def write(self, batch: Batch) -> None:
        self.writes += 1
        raise self.error


@pytest.mark.parametrize("error", [Refused("schema 9"), ZeroDivisionError()])
def test_a_store_that_takes_nothing_at_all_has_nothing_set_aside(error: Exception) -> None:
    rejected: list[Item] = []
    with pytest.raises(type(error)):
        write(Refusing(error), Batch(jobs=[{"id": "p/a"}]), lambda i, _: rejected.append(i), proof=PROOF)  # type: ignore[arg-type]  # only write is called
    assert rejected == []


@pytest.mark.parametrize("error", [Unavailable("away"), OSError("cut")])
def test_a_store_that_is_away_is_not_searched_for_culprits(error: Exception) -> None:
    away = Refusing(error)
    with pytest.raises(type(error)):
        write(away, Batch(jobs=[{"id": "p/a"}, {"id": "p/b"}]), lambda _i, _r: None, proof=PROOF)  # type: ignore[arg-type]  # only write is called
    assert away.writes == 1


# Setting aside


def test_a_file_tells_what_was_set_aside_and_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Rejects(tmp_path / "rejected").add(Item("job", "p/a", {"id": "p/a"}), "too odd", START)
    (path,) = (tmp_path / "rejected").iterdir()
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("20260101T000000.000000001-job.json", 0o600)
    assert json.loads(path.read_text()) == {
        "at": "2026-01-01T00:00:00.000Z",
        "kind": "job",
        "name": "p/a",
        "reason": "too odd",
        "characters": 13,
        "item": '{"id": "p/a"}',
    }
    assert "the job of p/a cannot be stored" in caplog.text


@pytest.mark.parametrize(
    "value", [b"\xff{", block(1, 1), Drop(execution="e", first=1, last=2), {1: {2, 3}}, object()]
)
def test_whatever_it_is_it_can_be_set_aside(tmp_path: Path, value: object) -> None:
    Rejects(tmp_path / "rejected").add(Item("entry", "e", value), "too odd", START)
    (path,) = (tmp_path / "rejected").iterdir()
    assert json.loads(path.read_text())["item"]


def test_what_is_set_aside_is_bounded_and_counted_over_restarts(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejected")
    for number in range(FILES_MAX + 5):
        rejects.add(Item("job", str(number), {"id": "x" * 2 * TEXT_MAX}), "too large", START)
    names = [json.loads(path.read_text())["name"] for path in sorted((tmp_path / "rejected").iterdir())]
    assert names == [str(number) for number in range(5, FILES_MAX + 5)]
    assert all(path.stat().st_size < TEXT_MAX + 1000 for path in (tmp_path / "rejected").iterdir())
    assert (rejects.count, Rejects(tmp_path / "rejected").count) == (FILES_MAX + 5, FILES_MAX)


def test_a_disk_without_room_holds_up_nothing(tmp_path: Path) -> None:
    (tmp_path / "rejected").touch()
    rejects = Rejects(tmp_path / "rejected")
    rejects.add(Item("job", "p/a", {}), "too odd", START)
    assert rejects.count == 1
