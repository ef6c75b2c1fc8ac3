from __future__ import annotations

import json

import pytest

from tests.support.executions import identity
from tests.support.journals import AT, drop, output, record
from windmill.core.model import State
from windmill.core.ports import Batch, Drop, Frame, Kind, OutputBlock, Stream
from windmill.scheduler.gather import Cuts, Gatherer

ONE, TWO = identity(1), identity(2)


def gathered(*frames: Frame, stored_up_to: int = 0, cuts: Cuts | None = None) -> Batch:
    gatherer = Gatherer(lambda _execution: stored_up_to, cuts or Cuts())
    gatherer.add(frames)
    return gatherer.batch()


def spans(batch: Batch) -> list[tuple[str, int, int]]:
    return [(block.execution, block.first, block.last) for block in batch.output]


def test_adjacent_output_becomes_one_block_although_executions_interleave() -> None:
    batch = gathered(
        output(1, 1, b"a"), output(2, 1, b"x"), output(1, 2, b"b"), output(2, 2, b"y"), output(1, 3, b"c")
    )
    assert batch.output == [OutputBlock(ONE, 1, 3, 1, AT + 1, b"abc"), OutputBlock(TWO, 1, 2, 1, AT + 1, b"xy")]


def test_a_block_ends_where_the_stream_changes() -> None:
    batch = gathered(output(1, 1), output(1, 2, stream=Stream.STDERR), output(1, 3))
    assert [(block.first, block.stream) for block in batch.output] == [(1, 1), (2, 2), (3, 1)]


def test_a_block_ends_where_a_frame_is_missing() -> None:
    assert spans(gathered(output(1, 1), output(1, 3))) == [(ONE, 1, 1), (ONE, 3, 3)]


def test_a_block_holds_at_most_256_kib() -> None:
    batch = gathered(*(output(1, number, b"x" * (100 << 10)) for number in range(1, 6)))
    assert spans(batch) == [(ONE, 1, 2), (ONE, 3, 4), (ONE, 5, 5)]


def test_output_the_store_has_is_left_out() -> None:
    assert spans(gathered(*(output(1, number) for number in range(1, 6)), stored_up_to=3)) == [(ONE, 4, 5)]


@pytest.mark.parametrize(
    "states",
    [
        [State.QUEUED, State.RUNNING, State.FAILED],
        [State.FAILED, State.RUNNING],  # the end was in another stream than the record
        [State.RUNNING, State.FAILED, State.RUNNING, State.QUEUED],
    ],
)
def test_only_the_most_advanced_document_of_an_execution_is_written(states: list[State]) -> None:
    batch = gathered(*(record(1, state) for state in states))
    assert [document["state"] for document in batch.executions] == ["failed"]


def test_of_equal_records_the_latest_is_written() -> None:
    batch = gathered(record(1, pid=None), record(1, pid=7), record(1, State.QUEUED))
    assert [document["pid"] for document in batch.executions] == [7]


def test_a_skipped_record_is_not_replaced() -> None:
    batch = gathered(record(1, State.SKIPPED, reason="paused"), record(1, State.SKIPPED, reason="window"))
    assert [document["reason"] for document in batch.executions] == ["paused"]


def test_the_first_end_counts() -> None:
    batch = gathered(record(1, State.FAILED), record(1, State.LOST))
    assert [document["state"] for document in batch.executions] == ["failed"]


def test_what_only_the_scheduler_reads_is_passed_over() -> None:
    state = Frame(Kind.STATE, "0" * 16, 0, 0, AT, b"{}")
    assert not gathered(state, state._replace(kind=Kind.MARK), state._replace(kind=99))


def definition(**facts: object) -> Frame:
    document = {"id": "d", "job": "p/j", "document": {}, "seen_at": "2026-01-01T00:00:00.000Z"} | facts
    return Frame(Kind.DEFINITION, "0" * 16, 0, 0, AT, json.dumps(document).encode())


def test_what_executions_ran_with_is_written() -> None:
    assert [one["id"] for one in gathered(definition(), definition(id="e")).definitions] == ["d", "e"]


@pytest.mark.parametrize("facts", [{"id": ""}, {"job": None}, {"document": []}, {"seen_at": "yesterday"}])
def test_a_definition_no_store_can_keep_is_passed_over(facts: dict[str, object]) -> None:
    gatherer = Gatherer(lambda _execution: 0, Cuts())
    gatherer.add([definition(**facts)])
    assert (gatherer.batch().definitions, len(gatherer.flaws)) == ([], 1)


def test_drops_of_single_frames_grow_together_until_they_cover_blocks() -> None:
    cuts = Cuts()
    for number in range(5, 9):
        batch = gathered(drop(1, number, number), cuts=cuts)
    assert batch.drops == [Drop(execution=ONE, first=5, last=8)]


def test_drops_that_do_not_touch_stay_apart() -> None:
    cuts = Cuts()
    gathered(drop(1, 1, 3), cuts=cuts)
    assert gathered(drop(1, 5, 6), cuts=cuts).drops == [Drop(execution=ONE, first=5, last=6)]


def test_output_dropped_in_the_same_round_is_not_written() -> None:
    batch = gathered(output(1, 1), output(1, 2, stream=Stream.STDERR), output(1, 3), output(2, 2), drop(1, 2, 2))
    assert spans(batch) == [(ONE, 1, 1), (ONE, 3, 3), (TWO, 2, 2)]


NESTED = b"[" * 100_000


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"{", NESTED, b"{}"])
@pytest.mark.parametrize("kind", [Kind.RECORD, Kind.END, Kind.DROP])
def test_a_bad_document_is_named_and_does_not_hold_up_what_follows(kind: Kind, payload: bytes) -> None:
    gatherer = Gatherer(lambda _execution: 0, Cuts())
    gatherer.add([record(1)._replace(kind=kind, payload=payload), record(2)])
    assert [one["id"] for one in gatherer.batch().executions] == [TWO]
    assert [(flaw.execution, flaw.payload) for flaw in gatherer.flaws] == [(ONE, payload)]


def test_a_bad_end_leaves_the_record_and_a_later_end_in_place() -> None:
    bad = record(1, State.FAILED)._replace(payload=b"{}")
    assert [one["state"] for one in gathered(record(1), bad).executions] == ["running"]
    assert [one["state"] for one in gathered(record(1), bad, record(1, State.LOST)).executions] == ["lost"]
