from __future__ import annotations

from datetime import timedelta

import pytest

from windmill.core.documents import Document
from windmill.dashboard.pace import pace, usual

MINUTE = timedelta(minutes=1)


def ended(*minutes: int, state: str = "succeeded") -> list[Document]:
    return [{"state": state, "duration_ms": number * 60_000} for number in minutes]


def test_usual_is_what_the_middle_one_of_the_successes_took() -> None:
    assert usual([*ended(1, 2, 9), *ended(60, 60, state="failed")]) == 2 * MINUTE


def test_two_successes_say_nothing() -> None:
    assert usual([*ended(1, 2), *ended(3, state="stopped")]) is None


@pytest.mark.parametrize(
    ("taken", "share", "left", "times"), [(1, 0.25, 3, 0), (4, 1, 0, 0), (5, 1, 0, 0), (8, 1, 0, 2)]
)
def test_what_is_over_and_what_is_left(taken: int, share: float, left: int, times: float) -> None:
    found = pace(taken * MINUTE, 4 * MINUTE)
    assert (found.share, found.left, found.times) == (share, left * MINUTE, times)


def test_a_few_seconds_more_are_not_slow() -> None:
    assert pace(timedelta(seconds=4), timedelta(seconds=1)).times == 0
    assert pace(timedelta(seconds=4), timedelta(0)).share == 1
