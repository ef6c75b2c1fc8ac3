from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.documents import Document
from windmill.core.model import State
from windmill.dashboard.charts import (
    BARS_HIGH,
    LOW,
    STEP,
    WEEKS,
    bars,
    calendar,
    look,
    percent,
    success_rate,
    usual_ms,
)

TODAY = date(2026, 11, 24)
executions = st.lists(
    st.fixed_dictionaries(
        {"state": st.sampled_from([str(state) for state in State]), "duration_ms": st.none() | st.integers(0, 10**9)}
    ),
    max_size=30,
)


def lasting(*lengths: int | None, state: str = "succeeded") -> list[Document]:
    return [{"state": state, "duration_ms": length} for length in lengths]


def a_day(day: str, state: str, count: int = 1, duration_ms: int = 0) -> dict[str, Any]:
    return {"day": day, "state": state, "count": count, "duration_ms": duration_ms}


@given(executions)
def test_every_bar_is_seen_and_stays_inside(newest_first: list[Document]) -> None:
    chart = bars(newest_first)
    assert len(chart.bars) == min(len(newest_first), 20)
    for bar in chart.bars:
        assert 0 <= bar.x < chart.width
        assert LOW <= bar.height <= BARS_HIGH
        assert bar.y + bar.height == pytest.approx(BARS_HIGH)


def test_the_newest_stands_at_the_right_end() -> None:
    chart = bars(lasting(1, 2, 3), places=5)
    assert [bar.execution["duration_ms"] for bar in chart.bars] == [3, 2, 1]
    assert chart.bars[-1].x == 4 * STEP + 1


def test_heights_are_as_the_durations() -> None:
    tall, half = bars(lasting(1000, 2000)).bars
    assert (tall.height, half.height) == (BARS_HIGH, BARS_HIGH / 2)


def test_what_did_not_simply_succeed_has_a_mark() -> None:
    assert [bar.mark for bar in bars([*lasting(1, state="failed"), *lasting(1)]).bars] == [False, True]


def test_bars_of_a_state_are_one_shape_with_the_signs_under_them() -> None:
    chart = bars([*lasting(2), *lasting(2, state="failed"), *lasting(1)], places=3)
    (good, good_path, no_signs), (bad, bad_path, signs) = chart.shapes()
    assert (good, bad) == ("succeeded", "failed")
    assert good_path == f"M1 12h6v12h-6zM{2 * STEP + 1} 0h6v24h-6z"
    assert bad_path == f"M{STEP + 1} 0h6v24h-6z"
    assert (no_signs, signs) == ("", f"M{STEP + 2} 27l4 4m0-4l-4 4")


def test_only_successes_say_what_is_usual() -> None:
    assert usual_ms([*lasting(10, 20, 30, None), *lasting(9000, state="failed")]) == 20


def test_nothing_is_usual_where_nothing_succeeded() -> None:
    assert bars(lasting(5, state="failed")).middle is None


def test_a_median_lies_at_its_height() -> None:
    assert bars(lasting(100, 50, 50)).middle == BARS_HIGH / 2


def test_a_year_ends_today_and_begins_on_a_monday() -> None:
    days = calendar([], TODAY).days
    assert days[0].day.weekday() == 0
    assert days[-1].day == TODAY
    assert len({day.x for day in days}) == WEEKS


@given(st.dates(date(1980, 1, 1), date(2100, 1, 1)))
def test_each_day_of_a_year_has_a_place_of_its_own(today: date) -> None:
    chart = calendar([], today)
    assert len({(day.x, day.y) for day in chart.days}) == len(chart.days) > 364
    assert all(day.x < chart.width and day.y < chart.height for day in chart.days)
    assert all(
        later - earlier >= timedelta(days=28)
        for (_, earlier), (_, later) in zip(chart.months, chart.months[1:], strict=False)
    )


def test_a_day_knows_what_ran() -> None:
    day = calendar([a_day("2026-11-24", "failed", 2), a_day("2026-11-24", "succeeded", 3)], TODAY).days[-1]
    assert (day.counts, day.look) == ({"failed": 2, "succeeded": 3}, "mixed")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "none"),
        ({"skipped": 9}, "none"),
        ({"succeeded": 1, "stopped": 1}, "good"),
        ({"stopped": 1}, "other"),
        ({"lost": 1}, "bad"),
        ({"timed_out": 1, "succeeded": 1}, "mixed"),
    ],
)
def test_a_day_looks_as_it_went(counts: dict[str, int], expected: str) -> None:
    assert look(counts) == expected


def test_what_was_stopped_or_skipped_neither_succeeded_nor_failed() -> None:
    rows = [a_day("d", state, 2) for state in ("succeeded", "failed", "timed_out", "lost", "stopped", "skipped")]
    assert success_rate(rows) == (2, 8)


@pytest.mark.parametrize(("part", "whole", "words"), [(1, 1, "100%"), (999, 1000, "99%"), (0, 3, "0%"), (0, 0, "")])
def test_a_share_is_never_rounded_up_to_all(part: int, whole: int, words: str) -> None:
    assert percent(part, whole) == words
