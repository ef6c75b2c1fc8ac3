from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON
from windmill.dashboard.forecast import DRAWN, THIN, WIDE, Lane, hours, lane

HOUR = timedelta(hours=1)


def every(minutes: float) -> Iterator[datetime]:
    """Starts without end, the first after one step."""
    return (NOON + timedelta(minutes=minutes * number) for number in count(1))


def drawn(starts: Iterator[datetime], usual_ms: int | None = None, length: timedelta = HOUR) -> Lane:
    found = lane("p/hello", starts, usual_ms, NOON, length)
    assert found
    return found


def test_starts_lie_where_they_are_due() -> None:
    assert [due.x for due in drawn(every(15)).starts] == [250, 500, 750]


def test_a_start_is_as_wide_as_it_usually_takes() -> None:
    assert drawn(every(30), 6 * 60_000).starts[0].width == 100


def test_what_is_not_due_in_time_has_no_lane() -> None:
    assert lane("p/hello", every(61), None, NOON, HOUR) is None


def test_what_is_due_at_the_end_is_not_in_it() -> None:
    assert lane("p/hello", every(60), None, NOON, HOUR) is None


def test_a_start_that_meets_the_one_before_is_late() -> None:
    assert [due.late for due in drawn(every(12), 18 * 60_000).starts] == [False, True, False, True]


def test_a_start_right_at_the_end_of_the_one_before_is_not_late() -> None:
    assert not any(due.late for due in drawn(every(20), 20 * 60_000).starts)


def test_what_is_due_very_often_is_drawn_as_a_band() -> None:
    found = drawn(every(0.1))
    assert (found.dense, len(found.starts)) == (True, DRAWN)


@given(st.floats(0.5, 10_000), st.none() | st.integers(0, 10**9), st.sampled_from([1, 24, 168]))
def test_every_start_is_seen_and_stays_inside(minutes: float, usual_ms: int | None, length: int) -> None:
    found = lane("p/hello", every(minutes), usual_ms, NOON, timedelta(hours=length))
    for due in found.starts if found else ():
        assert 0 <= due.x <= WIDE
        assert due.x + due.width <= WIDE + 0.1
        assert due.width >= min(THIN, WIDE - due.x) - 0.1


def test_a_stretch_is_divided_evenly() -> None:
    assert hours(NOON, HOUR, parts=2) == [NOON, NOON + HOUR / 2, NOON + HOUR]
