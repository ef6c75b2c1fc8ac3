from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.store import expendable
from tests.support.builders import a_job
from tests.support.executions import START, document, identity
from tests.support.faults import Faults, failing
from tests.support.journals import Reader, record, writer
from tests.support.journals import output as written
from windmill.core.errors import Unavailable
from windmill.core.model import Keep, State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Store
from windmill.scheduler.retention import PIECE, PIECE_BYTES, Retention, remove_some
from windmill.scheduler.shipper import Shipper
from windmill.store.sqlite import SqliteStore

NOW = START + timedelta(days=100)
BLOCK = 256 << 10


class Seconds:
    """A monotonic clock that goes on when told to, and by `tick` with every look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 1000.0
        self.tick = tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "windmill.db")) as store:
        yield store


def ready(seconds: Seconds) -> Retention:
    """Return a retention whose first pass is due."""
    retention = Retention(seconds)
    seconds.now += 61
    return retention


def pass_over(store: Store, retention: Retention) -> int:
    """Finish the pass; return in how many steps."""
    for steps in count(1):
        if not retention.step(store, NOW):
            return steps
    raise AssertionError


def left(store: Store, job: str = "") -> set[str]:
    return {one["id"] for one in store.executions(ExecutionFilter(job=job), limit=5000).items}


def ids(*numbers: int) -> set[str]:
    return {identity(number) for number in numbers}


def output(number: int, blocks: int) -> list[OutputBlock]:
    return [OutputBlock(identity(number), first, first, 1, 0, b"x" * BLOCK) for first in range(1, blocks + 1)]


def wordy(number: int, blocks: int, state: State = State.STOPPED) -> Batch:
    size = 0 if state is State.LOST else blocks * BLOCK
    return Batch(executions=[document(number, state, output_bytes=size)], output=output(number, blocks))


# When


def test_nothing_is_deleted_in_the_first_minute(store: SqliteStore) -> None:
    store.write(Batch(executions=[document(1), document(2)]))
    seconds = Seconds()
    retention = Retention(seconds)
    seconds.now += 59
    assert retention.step(store, NOW) is False
    assert left(store) == ids(1, 2)


def test_a_pass_follows_an_hour_after_the_last_began(store: SqliteStore) -> None:
    seconds = Seconds()
    retention = ready(seconds)
    pass_over(store, retention)
    store.write(Batch(executions=[document(1), document(2)]))
    seconds.now += 3599
    pass_over(store, retention)
    assert left(store) == ids(1, 2)
    seconds.now += 1
    pass_over(store, retention)
    assert left(store) == ids(2)


# What


def test_every_job_is_cleaned_by_what_it_wants(store: SqliteStore) -> None:
    keeps = {"p/all": (None, None), "p/days": (99, None), "p/runs": (None, 2), "p/gone": (None, 1)}
    for number, (key, (days, runs)) in enumerate(keeps.items()):
        job = a_job(id=key, deleted=key == "p/gone", keep={"days": days, "runs": runs})
        ages = [document(10 * number + age, job=key, queued_at=START + timedelta(days=age)) for age in range(4)]
        store.write(Batch(jobs=[job], executions=ages))
    pass_over(store, ready(Seconds()))
    assert left(store) == ids(0, 1, 2, 3, 11, 12, 13, 22, 23, 33)


def test_a_job_that_was_never_named_is_cleaned_by_the_defaults(store: SqliteStore) -> None:
    store.write(Batch(executions=[document(n, queued_at=START + timedelta(days=n)) for n in (9, 10, 11)]))
    pass_over(store, ready(Seconds()))
    assert left(store) == ids(10, 11)


def test_a_deleted_job_keeps_its_document_and_its_newest_success_and_failure(store: SqliteStore) -> None:
    job = a_job(id="p/job", deleted=True)
    store.write(Batch(jobs=[job], executions=[document(1), document(2, State.FAILED), document(3, State.STOPPED)]))
    pass_over(store, ready(Seconds()))
    assert (store.jobs(), left(store)) == ([job], ids(1, 2))


_ENDED = st.tuples(st.sampled_from(State), st.integers(0, 99), st.integers(0, 3 * PIECE_BYTES))


@given(
    ones=st.lists(_ENDED, max_size=40),
    days=st.none() | st.integers(1, 100),
    runs=st.none() | st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_a_pass_leaves_exactly_what_must_stay(
    tmp_path_factory: pytest.TempPathFactory,
    ones: list[tuple[State, int, int]],
    days: int | None,
    runs: int | None,
) -> None:
    executions = [
        document(number, state, queued_at=START + timedelta(days=day), output_bytes=size)
        for number, (state, day, size) in enumerate(ones)
    ]
    job = a_job(id="p/job", keep={"days": days, "runs": runs})
    before = NOW - timedelta(days=days) if days else None
    with closing(SqliteStore(tmp_path_factory.mktemp("store") / "windmill.db")) as store:
        store.write(Batch(executions=executions, jobs=[job]))
        pass_over(store, ready(Seconds()))
        gone = expendable(executions, "p/job", before=before, beyond=runs)
        assert left(store) == {one["id"] for one in executions} - set(gone)


# How much at once


def test_a_step_deletes_a_hundred_executions_at_most(store: SqliteStore) -> None:
    store.write(Batch(executions=[document(number) for number in range(251)]))
    retention, sizes = ready(Seconds()), []
    for _ in range(3):
        retention.step(store, NOW)
        sizes.append(len(left(store)))
    assert sizes == [151, 51, 1]
    assert PIECE == 100


def test_a_step_deletes_four_mebibytes_of_output_at_most(store: SqliteStore) -> None:
    for number in range(6):
        store.write(wordy(number, 7))
    pieces = [len(remove_some(store, "p/job", Keep(days=1), NOW).executions) for _ in range(4)]
    assert pieces == [2, 2, 2, 0]


@pytest.mark.parametrize("state", [State.STOPPED, State.LOST])
def test_of_one_long_output_a_piece_goes_at_a_time_and_the_execution_last(store: SqliteStore, state: State) -> None:
    store.write(wordy(1, 40, state))
    store.write(Batch(executions=[document(2, State.FAILED)]))
    blocks = []
    for _ in range(3):
        remove_some(store, "p/job", Keep(days=1), NOW)
        blocks.append(len(store.output(identity(1), limit=1 << 30)))
    assert blocks == [24, 8, 0]
    assert left(store) == ids(2)


def test_a_job_whose_executions_expire_as_fast_as_they_go_does_not_hold_up_the_others(store: SqliteStore) -> None:
    store.write(Batch(executions=[document(number, job=job) for number, job in ((1, "p/z"), (2, "p/z"), (9, "p/a"))]))
    retention = ready(Seconds())
    for number in range(10, 20):
        store.write(Batch(executions=[document(number, job="p/a")]))
        retention.step(store, NOW)
    assert left(store, "p/z") == ids(2)


def test_a_step_looks_at_jobs_for_a_moment_only(store: SqliteStore) -> None:
    store.write(Batch(jobs=[a_job(id=f"p/{number}") for number in range(10)]))
    assert pass_over(store, ready(Seconds(tick=0.009))) == 5


# What goes wrong


def test_a_store_that_is_away_is_told_and_the_next_pass_does_the_rest(store: SqliteStore) -> None:
    store.write(Batch(executions=[document(number) for number in range(3)]))
    seconds = Seconds()
    retention = ready(seconds)
    with pytest.raises(Unavailable):
        retention.step(failing(store, Faults(at=4)), NOW)
    assert retention.step(store, NOW) is False
    seconds.now += 3600
    pass_over(store, retention)
    assert left(store) == ids(2)


def test_a_defect_ends_the_pass_and_not_the_recording(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.write(Batch(executions=[document(1), document(2)]))
    seconds = Seconds()
    retention = ready(seconds)
    assert retention.step(failing(store, Faults(at=4, error=ZeroDivisionError)), NOW) is False
    assert "old executions could not be deleted" in caplog.text
    seconds.now += 3600
    pass_over(store, retention)
    assert left(store) == ids(2)


def test_what_another_process_deleted_first_is_no_endless_work(store: SqliteStore, tmp_path: Path) -> None:
    store.write(Batch(executions=[document(number) for number in range(150)]))
    with closing(SqliteStore(tmp_path / "windmill.db")) as other:
        while remove_some(other, "p/job", Keep(days=1), NOW).more:
            pass
    assert pass_over(store, ready(Seconds())) == 1
    assert left(store) == ids(149)


# Beside recording


def shipper(tmp_path: Path, when_idle: Callable[[Store, datetime], object]) -> Shipper:
    return Shipper(
        journal=Reader(tmp_path / "journal"),
        open_store=lambda: SqliteStore(tmp_path / "windmill.db"),
        cursors=tmp_path / "cursors",
        state=tmp_path,
        deliver=lambda _: None,
        when_idle=when_idle,
    )


def test_everything_in_the_journal_is_stored_first(store: SqliteStore, tmp_path: Path) -> None:
    seen: list[int] = []
    journal = writer(tmp_path / "journal", "runner")
    for sequence in range(1, 161):
        journal.append([written(1, sequence, b"x" * (64 << 10))])
    with closing(shipper(tmp_path, lambda store, _: seen.append(store.last_sequence(identity(1))))) as shipping:
        while shipping.ship_once(NOW):
            assert seen == []
    assert seen == [160]
    journal.close(settled=False)


def test_recording_goes_on_whatever_becomes_of_deleting(store: SqliteStore, tmp_path: Path) -> None:
    journal = writer(tmp_path / "journal", "runner")

    def fail(_store: Store, _now: datetime) -> None:
        raise Unavailable("too slow to delete")

    with closing(shipper(tmp_path, fail)) as shipping:
        for number in range(3):
            journal.append([record(number)])
            shipping.ship_once(NOW)
            assert store.execution(identity(number)) is not None
    journal.close(settled=False)
