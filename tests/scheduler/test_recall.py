from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.executions import START, document, identity
from tests.support.journals import Reader, record, writer
from windmill.core.documents import Document
from windmill.core.model import Execution, State
from windmill.core.ports import Batch
from windmill.scheduler.recall import Recall
from windmill.store.sqlite import SqliteStore

BEGAN = START + timedelta(seconds=100)


class Looking:
    """A recall over a store and a journal, whose time passes by steps."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = SqliteStore(root / "windmill.db")
        self.alive: list[str] = []
        self.short = False
        self.forgotten = 0
        self.lost: list[Execution] = []
        self.seconds = 0.0
        self.recall = self.come()

    def come(self, *known: str) -> Recall:
        self.recall = Recall(
            began=BEGAN,
            known=known,
            journal=Reader(self.root / "journal"),
            alive=self._alive,
            forgotten=self._forget,
            lost=self.lost.extend,
            monotonic=lambda: self.seconds,
        )
        return self.recall

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.seconds += 60
            self.recall.step(self.store)

    def replace(self, *executions: Document, catalog: str = "") -> None:
        """Put another database into the place of the store's."""
        self.store.close()
        self.store = SqliteStore(self.root / f"{self.seconds}.db")
        self.store.write(Batch(executions=list(executions), status={"catalog": {"at": catalog}} if catalog else {}))

    def _forget(self) -> None:
        self.forgotten += 1

    def _alive(self, executions: Sequence[str]) -> Sequence[str]:
        if self.short:
            raise OSError("no descriptors")
        return [one for one in executions if one in self.alive]


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    looking = Looking(tmp_path)
    yield looking
    looking.store.close()


def catalog(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


def tell(looking: Looking, second: int) -> None:
    looking.store.write(Batch(status={"catalog": {"at": catalog(second)}}))


# A store that forgot


def test_a_store_that_knows_what_it_was_told_is_left_alone(looking: Looking) -> None:
    looking.look()
    for second in (1, 1, 2):
        tell(looking, second)
        looking.look()
    assert looking.forgotten == 0


@pytest.mark.parametrize("there", ["", catalog(3)], ids=["empty", "older"])
def test_another_database_is_noticed_once(looking: Looking, there: str) -> None:
    tell(looking, 5)
    looking.look()
    looking.replace(catalog=there)
    looking.look(2)
    assert looking.forgotten == 1
    tell(looking, 6)
    looking.look()
    assert looking.forgotten == 1
    looking.replace()
    looking.look()
    assert looking.forgotten == 2


def test_the_store_is_asked_now_and_then_only(looking: Looking) -> None:
    tell(looking, 5)
    looking.look()
    looking.replace()
    looking.recall.step(looking.store)
    assert looking.forgotten == 0


def test_a_catalog_is_missed_from_the_moment_it_was_there(looking: Looking) -> None:
    looking.recall.step(looking.store)
    tell(looking, 5)
    looking.recall.step(looking.store)
    looking.replace()
    looking.look()
    assert looking.forgotten == 1


# Executions that only the store believes in


def lost(looking: Looking) -> list[str]:
    return [one.id for one in looking.lost]


def test_what_nobody_answers_for_is_found_once_at_the_second_look(looking: Looking) -> None:
    looking.store.write(Batch(executions=[document(1, State.RUNNING), document(2, State.QUEUED), document(3)]))
    looking.look()
    assert lost(looking) == []
    looking.look(5)
    assert lost(looking) == [identity(1), identity(2)]


def test_an_end_that_was_on_its_way_counts(looking: Looking) -> None:
    looking.store.write(Batch(executions=[document(1, State.RUNNING)]))
    looking.look()
    looking.store.write(Batch(executions=[document(1)]))
    looking.look(3)
    assert lost(looking) == []


def test_what_the_scheduler_found_at_its_start_is_not_lost(looking: Looking) -> None:
    looking.store.write(Batch(executions=[document(1, State.RUNNING)]))
    looking.come(identity(1))
    looking.look(3)
    assert lost(looking) == []


def test_what_was_queued_since_the_start_is_not_lost(looking: Looking) -> None:
    looking.store.write(Batch(executions=[document(1, State.RUNNING, queued_at=BEGAN)]))
    looking.look(3)
    assert lost(looking) == []


@pytest.mark.parametrize("ends", [False, True])
def test_what_a_journal_names_is_not_lost(looking: Looking, ends: bool) -> None:
    journal = writer(looking.root / "journal", "runner-1")
    journal.append([record(1)])
    looking.store.write(Batch(executions=[document(1, State.RUNNING)]))
    looking.look()
    journal.append([record(1, State.FAILED)] if ends else [])
    looking.look(2)
    journal.close(settled=False)
    assert lost(looking) == []


def test_what_has_a_living_process_is_not_lost(looking: Looking) -> None:
    looking.alive = [identity(1)]
    looking.store.write(Batch(executions=[document(1, State.RUNNING), document(2, State.RUNNING)]))
    looking.look(3)
    assert lost(looking) == [identity(2)]


def test_nothing_is_lost_on_a_machine_that_cannot_tell(looking: Looking) -> None:
    looking.store.write(Batch(executions=[document(1, State.RUNNING)]))
    looking.look()
    looking.short = True
    looking.look(2)
    assert lost(looking) == []


def test_another_database_is_looked_through_again(looking: Looking) -> None:
    tell(looking, 5)
    looking.look(3)
    looking.replace(document(1, State.RUNNING), catalog=catalog(4))
    looking.look(2)
    assert lost(looking) == [identity(1)]
