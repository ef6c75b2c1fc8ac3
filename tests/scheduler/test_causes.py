from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.executions import document, identity
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock
from windmill.core.tracebacks import LOOKED_AT
from windmill.scheduler import causes
from windmill.store.sqlite import SqliteStore

TRACEBACK = b"""\
Traceback (most recent call last):
  File "/srv/projects/dw/main.py", line 3, in load
    row["cpf"]
KeyError: 'cpf'
"""
FAILED = document(1, State.FAILED, reason="exit_code", exit_code=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "windmill.db")) as opened:
        yield opened


def block(first: int, data: bytes) -> OutputBlock:
    return OutputBlock(identity(1), first, first, 2, 0, data)


def told(store: SqliteStore, *blocks: OutputBlock, execution: Document = FAILED) -> Document:
    batch = Batch(executions=[execution], output=list(blocks))
    causes.tell(batch, store)
    return batch.executions[0]


@pytest.mark.parametrize("cut", [0, 40, len(TRACEBACK)])
def test_a_traceback_is_found_wherever_the_batch_begins(store: SqliteStore, cut: int) -> None:
    store.write(Batch(output=[block(1, b"reading\n" + TRACEBACK[:cut])]))
    found = told(store, *([block(2, TRACEBACK[cut:])] if cut < len(TRACEBACK) else []))
    assert found["failure"]["exception"] == "KeyError: 'cpf'"
    assert found["failure"]["where"] == "main.py:3 in load"


def test_a_traceback_is_found_behind_any_amount_of_output(store: SqliteStore) -> None:
    store.write(Batch(output=[block(1, b"x" * 200_000), block(2, b"y" * 200_000 + b"\n")]))
    assert told(store, block(3, TRACEBACK))["failure"]["exception"] == "KeyError: 'cpf'"


def test_what_lies_too_far_back_is_not_looked_for(store: SqliteStore) -> None:
    assert told(store, block(1, TRACEBACK + b"x" * LOOKED_AT))["failure"]["exception"] == "exit code 1"


def test_colours_do_not_hide_a_traceback(store: SqliteStore) -> None:
    coloured = TRACEBACK.replace(b"KeyError", b"\x1b[1;35mKeyError\x1b[0m").replace(b"\n", b"\r\n")
    assert told(store, block(1, coloured))["failure"]["exception"] == "KeyError: 'cpf'"


def test_the_output_of_others_is_not_looked_at(store: SqliteStore) -> None:
    other = OutputBlock(identity(2), 1, 1, 2, 0, TRACEBACK)
    assert told(store, other)["failure"]["exception"] == "exit code 1"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED, State.STOPPED, State.SKIPPED])
def test_what_did_not_fail_stays_as_it_is(store: SqliteStore, state: State) -> None:
    assert told(store, block(1, TRACEBACK), execution=document(1, state)) == document(1, state)
