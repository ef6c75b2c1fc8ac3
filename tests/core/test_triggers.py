"""Triggers and how a schedule becomes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.triggers import PROPERTIES
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.core.triggers import At, Cron, Every, Skip, Spread, Trigger, Window, slots, trigger_for

PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=1)
SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)  # Paris, 02:00 -> 03:00
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)  # Paris, 03:00 -> 02:00
FIRST = datetime(2026, 3, 27, 10, 20, 30, 456000, tzinfo=UTC)
FAR = datetime.max.replace(tzinfo=UTC)

KINDS: dict[str, Trigger] = {
    "every 90 min": Every(FIRST, timedelta(minutes=90)),
    "every 7 ms from the second": Every(AUTUMN, timedelta(milliseconds=7), first=1),
    "fixed time": Cron("30 2 * * *", PARIS),
    "wildcard": Cron("*/20 * * * *", PARIS),
    "seconds": Cron("*/15 0-59 2 * * *", PARIS),
    "Lord Howe": Cron("*/20 1-3 * * *", ZoneInfo("Australia/Lord_Howe")),
    "at": At(AUTUMN),
    "spread": Spread(Cron("30 2 * * *", PARIS), timedelta(minutes=40, milliseconds=1)),
    "skip": Skip(Cron("*/20 * * * *", PARIS), frozenset({date(2026, 3, 29), date(2026, 10, 25)}), PARIS),
    "window": Window(Every(FIRST, timedelta(minutes=90)), SPRING, AUTUMN),
    "all at once": trigger_for(
        Schedule(
            cron="15,45 0-23 * * *",
            timezone="America/Santiago",
            start_at=SPRING,
            end_at=AUTUMN,
            spread=timedelta(minutes=50),
            skip_dates=frozenset({date(2026, 4, 4), date(2026, 9, 6)}),
        ),
        key="a/b",
        first_seen=FIRST,
    ),
}


def instants() -> st.SearchStrategy[datetime]:
    """Return hours around changes of clock, where mistakes live, in whole milliseconds."""
    lord_howe, santiago = datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 9, 6, 4, tzinfo=UTC)
    milliseconds = st.integers(-20_000_000, 20_000_000)
    return st.builds(
        lambda change, ms: change + timedelta(milliseconds=ms),
        st.sampled_from([SPRING, AUTUMN, lord_howe, santiago, FIRST]),
        milliseconds,
    )


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None, database=None)
@given(instant=instants(), other=instants())
def test_a_trigger_keeps_its_promises(
    kind: str, holds: Callable[[Trigger, datetime, datetime], None], instant: datetime, other: datetime
) -> None:
    holds(KINDS[kind], instant, other)


def times(trigger: Trigger, count: int, after: datetime = FIRST) -> list[str]:
    return [due.isoformat()[:-6] for due in slots(trigger, after=after, until=FAR, limit=count)]


def made(first_seen: datetime = FIRST, key: str = "p/n", **schedule: object) -> Trigger:
    return trigger_for(Schedule(**schedule), key=key, first_seen=first_seen)  # type: ignore[arg-type] # any field


def test_an_interval_counts_from_the_instant_it_was_first_seen() -> None:
    assert times(made(interval=HOUR), 2) == ["2026-03-27T11:20:30.456000", "2026-03-27T12:20:30.456000"]


def test_first_sight_is_not_a_slot_however_early_the_question() -> None:
    assert made(interval=HOUR).next_after(FIRST - 9 * HOUR) == FIRST + HOUR


def test_a_start_in_the_future_is_the_first_slot() -> None:
    start = FIRST + timedelta(days=3)
    assert slots(made(interval=HOUR, start_at=start), after=FIRST, until=FAR, limit=2) == [start, start + HOUR]


def test_a_start_in_the_past_sets_the_grid_without_a_burst() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert times(made(interval=timedelta(minutes=90), start_at=start), 2) == [
        "2026-03-27T10:30:00",
        "2026-03-27T12:00:00",
    ]


def test_the_grid_does_not_drift_over_ten_thousand_slots() -> None:
    step = timedelta(minutes=61, milliseconds=7)
    found = slots(Every(FIRST, step), after=FIRST, until=FAR, limit=10_000)
    assert found == [FIRST + number * step for number in range(1, 10_001)]


def test_a_late_question_does_not_move_the_grid() -> None:
    trigger = Every(FIRST, HOUR)
    assert {trigger.next_after(FIRST + 5 * HOUR + late * TICK) for late in (0, 1, 3_599_999)} == {FIRST + 6 * HOUR}


def test_an_interval_is_elapsed_time_when_clocks_change() -> None:
    found = slots(Every(SPRING - HOUR, timedelta(days=1)), after=SPRING - HOUR, until=FAR, limit=1)
    assert [due.astimezone(PARIS).strftime("%H:%M") for due in found] == ["02:00"]  # the day before at 01:00


@pytest.mark.parametrize("step", [timedelta.max, timedelta(days=3_000_000)])
def test_an_interval_past_the_calendar_is_never_due(step: timedelta) -> None:
    assert made(interval=step).next_after(FIRST) is None


def test_at_is_due_once() -> None:
    assert slots(made(at=AUTUMN), after=FIRST, until=FAR, limit=9) == [AUTUMN]


def test_at_is_not_due_again_once_settled() -> None:
    assert made(at=AUTUMN).next_after(AUTUMN) is None


def test_start_and_end_are_both_included() -> None:
    window = made(cron="0 * * * *", start_at=AUTUMN, end_at=AUTUMN + 2 * HOUR)
    assert slots(window, after=FIRST, until=FAR, limit=9) == [AUTUMN, AUTUMN + HOUR, AUTUMN + 2 * HOUR]


def test_no_slot_lies_a_millisecond_past_the_end() -> None:
    assert made(interval=HOUR, end_at=FIRST + HOUR - TICK).next_after(FIRST) is None


def test_a_window_that_ends_before_it_starts_has_no_slot() -> None:
    assert made(interval=HOUR, start_at=AUTUMN, end_at=SPRING).next_after(FIRST) is None


def test_skipped_dates_are_dates_of_the_zone() -> None:
    skip = made(cron="0 */12 * * *", timezone="America/New_York", skip_dates=frozenset({date(2026, 3, 28)}))
    assert times(skip, 3) == ["2026-03-27T16:00:00", "2026-03-29T04:00:00", "2026-03-29T16:00:00"]


def test_an_interval_returns_to_its_grid_after_a_skipped_date() -> None:
    skip = made(interval=timedelta(seconds=1), timezone="Europe/Paris", skip_dates=frozenset({date(2026, 3, 28)}))
    assert times(skip, 1, datetime(2026, 3, 27, 23, tzinfo=UTC)) == ["2026-03-28T23:00:00.456000"]


def test_skipping_ends_when_midnight_comes_twice() -> None:
    day, zone = date(2010, 11, 6), ZoneInfo("America/St_Johns")  # at 00:01 of the 7th clocks went back to the 6th
    found = slots(
        Skip(Cron("*/15 * * * *", zone), frozenset({day}), zone),
        after=datetime(2010, 11, 6, 12, tzinfo=UTC),
        until=datetime(2010, 11, 7, 3, 50, tzinfo=UTC),
        limit=9,
    )
    assert [due.astimezone(zone).strftime("%d %H:%M %z") for due in found] == [
        "07 00:00 -0230",
        "07 00:00 -0330",
        "07 00:15 -0330",
    ]


def test_spread_shifts_every_slot_of_a_job_alike() -> None:
    plain = slots(made(cron="0 * * * *"), after=FIRST, until=FAR, limit=50)
    spread = slots(made(cron="0 * * * *", spread=timedelta(minutes=5)), after=plain[0] - TICK, until=FAR, limit=50)
    assert len({late - due for late, due in zip(spread, plain, strict=True)}) == 1


def test_spread_is_fixed_for_ever() -> None:
    assert times(made(cron="0 * * * *", spread=timedelta(minutes=5)), 1) == ["2026-03-27T11:02:44.221000"]


def test_spread_keeps_jobs_apart() -> None:
    due = {made(key=f"p/{name}", cron="0 * * * *", spread=HOUR).next_after(FIRST) for name in range(100)}
    assert len(due) == 100


def test_spread_stays_below_its_width() -> None:
    hour = datetime(2026, 3, 27, 11, tzinfo=UTC)
    for name in range(100):
        due = made(key=f"p/{name}", cron="0 * * * *", spread=3 * TICK).next_after(hour - TICK)
        assert due in {hour, hour + TICK, hour + 2 * TICK}


def test_no_shifted_slot_lies_past_the_end() -> None:
    hour = datetime(2026, 3, 27, 11, tzinfo=UTC)
    spread = made(cron="0 11 * * *", spread=HOUR, end_at=hour)
    assert spread.next_after(FIRST) is None


def test_a_spread_does_not_bring_the_first_slot_of_an_interval_forward() -> None:
    due = made(interval=24 * HOUR, spread=HOUR).next_after(FIRST)
    assert due is not None
    assert FIRST + 24 * HOUR <= due < FIRST + 25 * HOUR


@pytest.mark.parametrize("instant", [datetime.min.replace(tzinfo=UTC), FAR])
@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_the_calendar_are_no_error(kind: str, instant: datetime) -> None:
    due = KINDS[kind].next_after(instant)
    assert due is None or due > instant


def test_slots_are_later_than_after_and_not_later_than_until() -> None:
    assert slots(Every(FIRST, HOUR), after=FIRST, until=FIRST + 2 * HOUR, limit=9) == [FIRST + HOUR, FIRST + 2 * HOUR]


def test_slots_are_the_oldest_when_there_are_too_many() -> None:
    assert slots(Every(FIRST, HOUR), after=FIRST, until=FAR, limit=1) == [FIRST + HOUR]


def test_equal_schedules_make_equal_triggers() -> None:
    assert made(cron="@daily", timezone="Europe/Paris") == made(cron="0 0 * * *", timezone="Europe/Paris")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "Europe", "\0"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(WindmillError, match="unknown timezone"):
        made(cron="@daily", timezone=name)


@pytest.mark.parametrize(
    "schedule",
    [Schedule(), Schedule(interval=HOUR, at=AUTUMN), Schedule(interval=timedelta(0)), Schedule(interval=-HOUR)],
    ids=["none", "two", "zero", "negative"],
)
def test_a_schedule_is_exactly_one_thing(schedule: Schedule) -> None:
    with pytest.raises(WindmillError, match="exactly one"):
        trigger_for(schedule, key="p/n", first_seen=FIRST)
