"""Schedules in plain words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from windmill.core.errors import WindmillError
from windmill.core.explain import duration_in_words, in_words, instant_in_words
from windmill.core.model import Schedule

START = datetime(2026, 1, 1, 3, tzinfo=UTC)
BRAZIL = "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"interval": timedelta(minutes=90)}, "every 1 h 30 min"),
        (
            {"interval": timedelta(minutes=90), "start_at": START, "timezone": BRAZIL},
            "every 1 h 30 min from 2026-01-01 00:00 America/Sao_Paulo",
        ),
        ({"cron": "30 2 * * *", "timezone": BRAZIL}, "at 02:30 every day, America/Sao_Paulo"),
        ({"cron": "@hourly"}, "at the start of every hour, UTC"),
        (
            {"cron": "0 9 * * mon-fri", "start_at": START},
            "at 09:00 on Monday through Friday from 2026-01-01 03:00 UTC",
        ),
        ({"at": START, "timezone": BRAZIL}, "once at 2026-01-01 00:00 America/Sao_Paulo"),
        (
            {"interval": timedelta(hours=1), "end_at": START + timedelta(seconds=1), "max_runs": 100},
            "every 1 h, until 2026-01-01 03:00:01 UTC, at most 100 times",
        ),
        ({"cron": "@daily", "max_runs": 1}, "at 00:00 every day, UTC, at most once"),
        ({"cron": "@daily", "spread": timedelta(minutes=5)}, "at 00:00 every day, UTC, spread over 5 min"),
        (
            {"cron": "@daily", "skip_dates": frozenset({date(2026, 12, 25)})},
            "at 00:00 every day, UTC, not on 2026-12-25",
        ),
    ],
)
def test_a_schedule_reads_as_a_sentence(schedule: dict[str, Any], words: str) -> None:
    assert in_words(Schedule(**schedule)) == words


def test_many_skipped_dates_are_counted() -> None:
    dates = frozenset(date(2026, 1, day) for day in range(1, 11))
    words = in_words(Schedule(interval=timedelta(hours=1), skip_dates=dates))
    assert words == "every 1 h, not on 2026-01-01, 2026-01-02, 2026-01-03 and 7 more dates"


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(milliseconds=250), "250 ms"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(days=1, hours=2), "1 d 2 h"),
    ],
)
def test_a_duration_is_shown_by_its_units(duration: timedelta, words: str) -> None:
    assert duration_in_words(duration) == words


def test_an_instant_shows_no_more_than_it_has() -> None:
    shown = [instant_in_words(START + timedelta(milliseconds=ms), "UTC") for ms in (0, 1000, 1)]
    assert shown == ["2026-01-01 03:00 UTC", "2026-01-01 03:00:01 UTC", "2026-01-01 03:00:00.001 UTC"]


def test_a_broken_expression_is_an_error() -> None:
    with pytest.raises(WindmillError, match="Bad minute"):
        in_words(Schedule(cron="99 * * * *"))
