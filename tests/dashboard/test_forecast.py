from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON, an_execution
from windmill.dashboard.forecast import (
    DRAWN,
    THIN,
    WIDE,
    Lane,
    Times,
    busiest,
    crowds,
    expected,
    hours,
    lane,
    ran,
)

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


def minutes(begin: float, end: float) -> Times:
    """From and to so many minutes after noon."""
    return NOON + timedelta(minutes=begin), NOON + timedelta(minutes=end)


def test_it_is_crowded_while_more_run_than_may() -> None:
    (found,) = crowds([minutes(0, 30), minutes(10, 20), minutes(15, 40)], 1)
    assert (found.begin, found.end, found.most) == (*minutes(10, 30), 3)


def test_who_ends_makes_room_for_who_starts() -> None:
    assert crowds([minutes(0, 10), minutes(10, 20)], 1) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=12), st.integers(1, 4))
def test_it_is_crowded_exactly_where_the_most_are(times: list[tuple[int, int]], room: int) -> None:
    runs = [minutes(begin, begin + length) for begin, length in times]
    most = busiest(runs)
    found = crowds(runs, room)
    assert bool(found) == (most is not None and most[0] > room)
    assert max((one.most for one in found), default=0) == (most[0] if most and most[0] > room else 0)


def test_what_comes_due_while_its_job_runs_is_not_expected_to_run_twice() -> None:
    found = drawn(every(12), 18 * 60_000)
    assert expected([found]) == [minutes(12, 30), minutes(36, 54)]


def test_what_ran_lies_where_it_ran() -> None:
    one = an_execution(started_at=NOON + HOUR / 4, ended_at=NOON + HOUR / 2)
    (found,) = ran([one], NOON, NOON + HOUR)["p/hello"]
    assert (found.x, found.width) == (250, 250)


def test_what_runs_goes_on_to_the_end() -> None:
    one = an_execution(started_at=NOON + HOUR / 2, ended_at=None)
    (found,) = ran([one], NOON, NOON + HOUR)["p/hello"]
    assert (found.x, found.width) == (500, 500)


def test_what_began_before_is_drawn_from_the_beginning() -> None:
    one = an_execution(started_at=NOON - HOUR, ended_at=NOON + HOUR / 2)
    (found,) = ran([one], NOON, NOON + HOUR)["p/hello"]
    assert (found.x, found.width) == (0, 500)


def test_fewer_may_be_drawn() -> None:
    found = lane("p/hello", every(10), None, NOON, HOUR, drawn=2)
    assert found
    assert (found.dense, len(found.starts)) == (True, 2)
