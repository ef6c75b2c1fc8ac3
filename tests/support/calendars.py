"""When a job is due, found the slow way: by looking at the clock on the wall in every minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from windmill.core.model import Schedule

MINUTE = timedelta(minutes=1)


def due(schedule: Schedule, *, seen: datetime, begin: datetime, end: datetime) -> list[datetime]:
    """Return the slots with begin < slot <= end of a job first seen at `seen`; cron slots are on whole minutes.

    Of cron, numbers, `*`, lists, ranges and steps are known. Not known are spread and skip_dates.
    """
    if schedule.interval is not None:
        found = _steps(schedule.start_at or seen + schedule.interval, schedule.interval, end)
    elif schedule.cron is not None:
        found = _minutes(schedule.cron, ZoneInfo(schedule.timezone), begin, end)
    else:
        found = iter([schedule.at] if schedule.at else [])
    low, high = schedule.start_at or begin, schedule.end_at or end
    return [slot for slot in found if begin < slot <= end and low <= slot <= high]


def _steps(slot: datetime, step: timedelta, end: datetime) -> Iterator[datetime]:
    while slot <= end:
        yield slot
        slot += step


def _minutes(cron: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    minute, hour, *_ = cron.split()
    real = minute.startswith("*") or hour.startswith("*")  # skipped times do not exist, repeated ones come twice
    instant = begin.replace(second=0, microsecond=0)
    wall = instant.astimezone(zone).replace(tzinfo=None)
    while (instant := instant + MINUTE) <= end:
        local = instant.astimezone(zone)
        skipped, wall = wall + MINUTE, local.replace(tzinfo=None)
        if real:
            if _matches(cron, wall):
                yield instant
            continue
        jumped = False
        while skipped < wall:
            jumped = jumped or _matches(cron, skipped)
            skipped += MINUTE
        if jumped or (_matches(cron, wall) and not local.fold):
            yield instant


def _matches(cron: str, wall: datetime) -> bool:
    minute, hour, day, month, weekday = cron.split()
    days = (_in(day, wall.day, 1, 31), _in(weekday, wall.isoweekday() % 7, 0, 7))
    either = "*" not in {day[0], weekday[0]}
    at = _in(minute, wall.minute, 0, 59) and _in(hour, wall.hour, 0, 23) and _in(month, wall.month, 1, 12)
    return at and (any(days) if either else all(days))


def _in(field: str, value: int, low: int, high: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        if value in range(int(first), int(last or first) + 1, int(step or 1)):
            return True
    return False


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Return an instant."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
