from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON, a_job, an_execution
from windmill.core.documents import Document
from windmill.core.model import Keep, State
from windmill.core.retention import MAX_DAYS, bounds, keep_of, kept_bytes, piece


def sized(size: int, state: State = State.SUCCEEDED) -> Document:
    return an_execution(output_bytes=size, state=state)


def test_days_count_back_from_now() -> None:
    assert bounds(Keep(days=3), NOON) == {"before": NOON - timedelta(days=3), "beyond": None}


def test_no_limit_asks_for_nothing() -> None:
    assert bounds(Keep(days=None, runs=None), NOON) == {"before": None, "beyond": None}


def test_a_number_of_executions_is_asked_for_as_it_is() -> None:
    assert bounds(Keep(days=None, runs=7), NOON)["beyond"] == 7


def test_as_many_days_as_can_be_written_are_no_error() -> None:
    assert bounds(Keep(days=MAX_DAYS), NOON)["before"] is not None


def test_a_stored_job_says_what_it_keeps() -> None:
    assert keep_of(a_job(keep={"days": None, "runs": 4})) == Keep(days=None, runs=4)


def test_a_job_that_was_never_named_keeps_ninety_days() -> None:
    assert keep_of({"id": "p/job"}) == Keep(days=90, runs=None)


def test_kept_output_is_what_was_written_and_not_cut() -> None:
    assert kept_bytes(an_execution(output_bytes=100, cut_bytes=30)) == 70


def test_nobody_counted_the_output_of_a_lost_execution() -> None:
    assert kept_bytes(sized(0, State.LOST)) is None


@pytest.mark.parametrize(
    ("sizes", "taken"), [([], 0), ([5, 5, 1], 2), ([11, 0], 1), ([10, 0, 0, 1], 3), ([0] * 9, 9), ([3, 11, 1], 1)]
)
def test_a_piece_is_as_much_as_fits_and_at_least_one(sizes: list[int], taken: int) -> None:
    ones = [sized(size) for size in sizes]
    assert piece(ones, 10) == ones[:taken]


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from([State.SUCCEEDED, State.LOST])), min_size=1))
def test_whatever_was_not_counted_is_alone(ones: list[tuple[int, State]]) -> None:
    taken = piece([sized(size, state) for size, state in ones], 30)
    assert len(taken) == 1 or all(one["state"] != "lost" for one in taken)
