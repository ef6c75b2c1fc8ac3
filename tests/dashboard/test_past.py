from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON, an_execution
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.dashboard.past import changes, percentile, window


def ended(ago: timedelta, milliseconds: int = 1000, state: str = "succeeded") -> Document:
    return {"state": state, "queued_at": to_text(NOON - ago), "duration_ms": milliseconds}


def counted(executions: list[Document]) -> list[dict[str, Any]]:
    """What the store counts of them by day."""
    return [{"day": one["queued_at"][:10], "state": one["state"], "count": 1, "duration_ms": 0} for one in executions]


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_half_of_all_are_no_longer_than_the_median(lengths: list[int]) -> None:
    found = percentile(sorted(lengths), 50)
    assert found is not None
    assert sum(one <= found for one in lengths) * 2 >= len(lengths)


@pytest.mark.parametrize(("share", "expected"), [(50, 500), (95, 950), (100, 1000), (1, 10)])
def test_a_percentile_is_one_of_the_values(share: int, expected: int) -> None:
    assert percentile(range(1, 1001), share) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([], 50) is None


def test_durations_are_of_those_that_succeeded() -> None:
    recent = [ended(timedelta(hours=1), 100), ended(timedelta(hours=2), 9000, "failed")]
    found = window(counted(recent), recent, 7, NOON)
    assert (found.p50_ms, found.p95_ms, found.executions, found.failed, found.rate) == (100, 100, 2, 1, "50%")


def test_what_is_older_than_the_window_does_not_count() -> None:
    recent = [ended(timedelta(days=1), 100), ended(timedelta(days=8), 900)]
    assert window(counted(recent), recent, 7, NOON).p95_ms == 100


def test_the_longest_gap_lies_between_successes() -> None:
    recent = [
        ended(timedelta(hours=1)),
        ended(timedelta(hours=3)),
        ended(timedelta(hours=6), state="failed"),
        ended(timedelta(hours=10)),
    ]
    assert window(counted(recent), recent, 7, NOON).gap == timedelta(hours=7)


def test_no_gap_is_claimed_where_not_everything_is_known() -> None:
    recent = [ended(timedelta(hours=1)), ended(timedelta(hours=3))]
    assert window(counted([*recent, ended(timedelta(hours=50))]), recent, 7, NOON).gap is None


def ran(number: int, digest: str, revision: str | None = None) -> Document:
    at = NOON + timedelta(minutes=number)
    return an_execution(
        id=f"{number:016x}", job_digest=digest, revision=revision, queued_at=at, started_at=at, ended_at=at
    )


def test_executions_of_one_definition_are_one_change() -> None:
    (found,) = changes([ran(2, "a"), ran(1, "a")])
    assert (found.count, found.first["id"], found.defined, found.moved) == (2, f"{1:016x}", False, False)


def test_it_is_told_what_has_changed() -> None:
    newest_first = [ran(4, "b", "main@sha1:22"), ran(3, "a", "main@sha1:22"), ran(2, "a", "main@sha1:11")]
    assert [(one.defined, one.moved) for one in changes(newest_first)] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_what_never_started_ran_nothing() -> None:
    (found,) = changes([an_execution(state=State.SKIPPED, started_at=None, job_digest="b"), ran(1, "a")])
    assert found.first["job_digest"] == "a"
