from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.executions import START, document, identity
from tests.support.journals import AT, Reader, record, writer
from windmill.core.model import State
from windmill.core.ports import Frame, Kind
from windmill.core.state import JobState
from windmill.execution.journal import Writer
from windmill.scheduler.ledger import NOBODY, state_frame
from windmill.scheduler.recovery import OWN_STREAM, Recovered, recover

WHOLE = document(1)
BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"job": 7}',
    b"[" * 100_000,
    *(json.dumps({name: value for name, value in WHOLE.items() if name != left_out}).encode() for left_out in WHOLE),
]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Writer]:
    stream = writer(tmp_path, OWN_STREAM)
    yield stream
    stream.close(settled=False)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Writer]:
    stream = writer(tmp_path, "runner-1")
    yield stream
    stream.close(settled=False)


def recovered(directory: Path) -> Recovered:
    return recover(Reader(directory).newest(OWN_STREAM), Reader(directory))


def broken(payload: bytes, kind: Kind = Kind.RECORD) -> Frame:
    return Frame(kind, NOBODY, 0, 0, AT, payload)


def state(key: str) -> Frame:
    return state_frame(JobState(key=key, first_seen=START, covered=START), AT)


@pytest.mark.parametrize("payload", BROKEN, ids=range(len(BROKEN)))
def test_what_makes_no_sense_keeps_nothing_else_from_being_known(
    own: Writer, runner: Writer, tmp_path: Path, payload: bytes
) -> None:
    mine = (Kind.STATE, Kind.MARK, Kind.RECORD, Kind.END)
    own.append([state("p/a"), *(broken(payload, kind) for kind in mine), state("p/b")])
    runner.append([broken(payload), broken(payload, Kind.END), record(2, job="p/c")])
    found = recovered(tmp_path).states
    assert found.keys() - {"p/job"} == {"p/a", "p/b", "p/c"}
    assert found["p/c"].open is not None


def test_an_end_that_makes_no_sense_leaves_a_lost_execution(runner: Writer, tmp_path: Path) -> None:
    runner.append([record(1), Frame(Kind.END, identity(1), 0, 0, AT, b"{")])
    (lost,) = recovered(tmp_path).without_process(frozenset(), START)
    assert (lost.id, lost.state) == (identity(1), State.LOST)


def test_it_is_said_once_however_much_makes_no_sense(
    runner: Writer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner.append([broken(b"{")] * 3)
    recovered(tmp_path)
    assert [one.getMessage() for one in caplog.records] == [
        f"3 entries of the journal make no sense and are passed over; the first is about {NOBODY}:"
        " id is not a text of 1 to 500 characters"
    ]
