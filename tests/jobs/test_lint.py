"""Warnings about jobs that are valid and odd."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from windmill.core.model import Job, Retry, Schedule
from windmill.jobs.lint import lint

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEW_YORK = "America/New_York"


def job(**fields: Any) -> Job:
    return Job(project="p", name="n", entry_point="x.py", file="jobs.d/n.yaml", line=4, digest="", **fields)


def warnings(**schedule: Any) -> dict[str, str]:
    return {problem.code: problem.message for problem in lint(job(schedule=Schedule(**schedule)), now=NOW)}


@pytest.mark.parametrize(
    "schedule",
    [
        {"cron": "*/5 * * * *", "timezone": NEW_YORK},
        {"cron": "0 9 * * mon-fri", "timezone": NEW_YORK},
        {"cron": "0 0 L * *"},
        {"cron": "0 0 31 1,12 *"},
        {"cron": "0 0 31 * fri"},
        {"cron": "*/15 */6 * * *"},
        {"cron": "30 2 * * *", "timezone": "America/Bogota"},
        {"interval": HOUR},
        {"interval": HOUR, "spread": HOUR},
        {"interval": HOUR, "start_at": NOW - DAY, "end_at": NOW + DAY},
        {"interval": DAY, "end_at": NOW + HOUR},
        {"at": NOW + HOUR},
    ],
    ids=str,
)
def test_nothing_is_said_of(schedule: dict[str, Any]) -> None:
    assert warnings(**schedule) == {}


def test_nothing_is_said_of_a_manual_job() -> None:
    assert lint(job(), now=NOW) == []


def test_a_warning_names_its_place_its_job_and_a_remedy() -> None:
    (problem,) = lint(job(schedule=Schedule(at=NOW)), now=NOW)
    assert (problem.file, problem.line, problem.severity, problem.job) == ("jobs.d/n.yaml", 4, "warning", "p/n")
    assert problem.hint


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"at": NOW, "timezone": NEW_YORK}, "at 2026-11-22 22:00 America/New_York is past"),
        ({"interval": HOUR, "end_at": NOW - HOUR}, "end_at 2026-11-23 02:00 UTC is past"),
        ({"at": NOW + DAY, "end_at": NOW - DAY}, "end_at 2026-11-22 03:00 UTC is past"),
        (
            {"cron": "@daily", "start_at": NOW + DAY, "end_at": NOW + HOUR},
            "start_at 2026-11-24 03:00 UTC is later than end_at 2026-11-23 04:00 UTC",
        ),
        ({"cron": "0 2 * * *", "end_at": NOW + HOUR}, "no slot is left"),
        ({"at": NOW + HOUR, "skip_dates": frozenset({NOW.date()})}, "no slot is left"),
        ({"interval": DAY, "start_at": NOW - HOUR, "end_at": NOW + HOUR}, "no slot is left"),
    ],
)
def test_never_fires(schedule: dict[str, Any], message: str) -> None:
    assert warnings(**schedule) == {"never-fires": message}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("*/7 * * * *", "cron minute */7: 7 does not divide 60: after minute 56 comes 0"),
        ("*/61 * * * *", "cron minute */61: only minute 0 matches"),
        ("0-59/100 * * * *", "cron minute 0-59/100: only minute 0 matches"),
        ("0 */5 * * *", "cron hour */5: 5 does not divide 24: after hour 20 comes 0"),
        ("*/25 * * * * *", "cron second */25: 25 does not divide 60: after second 50 comes 0"),
    ],
)
def test_uneven_step(expression: str, message: str) -> None:
    assert warnings(cron=expression) == {"uneven-step": message}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 31 * *", "cron day 31: no slot in Feb, Apr, Jun, Sep, Nov"),
        ("0 0 30,31 2,3 *", "cron day 30: no slot in Feb"),
        ("0 0 29 * *", "cron day 29: in common years no slot in Feb"),
        ("0 0 31 4,5 */2", "cron day 31: no slot in Apr"),
    ],
)
def test_skipped_months(expression: str, message: str) -> None:
    assert warnings(cron=expression) == {"skipped-months": message}


def test_leap_day_only() -> None:
    assert set(warnings(cron="0 0 29 2 *")) == {"leap-day-only"}


@pytest.mark.parametrize(
    ("expression", "timezone", "message"),
    [
        (
            "30 2 * * *",
            NEW_YORK,
            "02:30 on 2027-03-14 does not exist in America/New_York: clocks go from 02:00 to 03:00",
        ),
        (
            "0 0 * * *",
            "America/Santiago",
            "00:00 on 2027-09-05 does not exist in America/Santiago: clocks go from 00:00 to 01:00",
        ),
        (
            "*/20 2 14 3 *",
            NEW_YORK,
            "02:00 on 2027-03-14 does not exist in America/New_York: clocks go from 02:00 to 03:00",
        ),
    ],
)
def test_dst_skipped_time(expression: str, timezone: str, message: str) -> None:
    assert warnings(cron=expression, timezone=timezone) == {"dst-skipped-time": message}


def test_dst_repeated_time() -> None:
    message = "01:30 on 2027-11-07 comes twice in America/New_York: clocks go from 02:00 to 01:00"
    assert warnings(cron="30 1 * * *", timezone=NEW_YORK) == {"dst-repeated-time": message}


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("30 2 * * *", "it starts at 03:00 that day, once"),
        ("*/10 2 * * *", "no start for it that day"),
        ("30 1 * * *", "it starts the first time only"),
        ("*/10 1 * * *", "it starts both times"),
    ],
)
def test_a_change_of_clock_is_told_with_its_effect(expression: str, hint: str) -> None:
    (problem,) = lint(job(schedule=Schedule(cron=expression, timezone=NEW_YORK)), now=NOW)
    assert problem.hint == hint


@pytest.mark.parametrize(
    "limit",
    [
        {"end_at": datetime(2027, 3, 13, tzinfo=UTC)},
        {"start_at": datetime(2027, 3, 15, tzinfo=UTC), "end_at": datetime(2028, 3, 1, tzinfo=UTC)},
        {"skip_dates": frozenset({date(2027, 3, 14)})},
    ],
    ids=str,
)
def test_a_change_outside_the_schedule_is_not_told(limit: dict[str, Any]) -> None:
    assert warnings(cron="30 2 * * *", timezone=NEW_YORK, **limit) == {}


def test_interval_shorter_than_spread() -> None:
    assert warnings(interval=HOUR, spread=DAY) == {
        "interval-shorter-than-spread": "spread 1 d is longer than the interval 1 h"
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"retry": Retry(delay=HOUR, max_delay=HOUR)}, "retry-without-limit"),
        ({"retry": Retry(limit=1, delay=HOUR)}, "retry-delay-capped"),
        ({"retry": Retry(limit=1, exit_codes=(2, 3)), "success_exit_codes": (0, 3)}, "retry-after-success"),
    ],
)
def test_a_retry_that_does_nothing(fields: dict[str, Any], code: str) -> None:
    assert [problem.code for problem in lint(job(**fields), now=NOW)] == [code]


def test_a_retry_that_makes_sense_is_not_told() -> None:
    assert lint(job(retry=Retry(limit=3, exit_codes=(1,))), now=NOW) == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (datetime(2027, 3, 1, tzinfo=UTC), "02:30 on 2027-03-14"),
        (datetime(2027, 3, 14, 7, tzinfo=UTC), "02:30 on 2028-03-12"),
    ],
    ids=["before", "on the day, after it"],
)
def test_the_next_change_of_clock_is_told_and_no_other(now: datetime, told: str) -> None:
    found = lint(job(schedule=Schedule(cron="30 2 * * *", timezone=NEW_YORK)), now=now)
    assert [problem.message.split(" does")[0] for problem in found] == [told]
