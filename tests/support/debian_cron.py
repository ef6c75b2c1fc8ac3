"""Debian's cron minute by minute, from its manual pages: slow, obvious, and without a line of the real thing.

Knows numbers, *, lists, ranges and steps in five fields, and offsets of whole minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


def field_matches(field: str, value: int, last: int) -> bool:
    for term in field.split(","):
        body, _, step = term.partition("/")
        first, _, end = body.partition("-")
        low = 0 if first == "*" else int(first)
        high = int(end) if end else last if first == "*" or step else low
        start = low if first != "*" else (1 if last in (12, 31) else 0)
        if low <= value <= high and (value - start) % int(step or 1) == 0:
            return True
    return False


def matches(expression: str, wall: datetime) -> bool:
    minute, hour, day, month, weekday = expression.split()
    by_day = field_matches(day, wall.day, 31)
    sunday_first = wall.isoweekday() % 7
    by_weekday = field_matches(weekday, sunday_first, 7) or (sunday_first == 0 and field_matches(weekday, 7, 7))
    both = day.startswith("*") or weekday.startswith("*")
    return (
        field_matches(minute, wall.minute, 59)
        and field_matches(hour, wall.hour, 23)
        and field_matches(month, wall.month, 12)
        and (by_day and by_weekday if both else by_day or by_weekday)
    )


def due_between(expression: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """Return all due instants from `first`, a whole minute where no time repeats itself, to `last`."""
    minute, hour, *_ = expression.split()
    wildcard = minute.startswith("*") or hour.startswith("*")
    reached = (first - MINUTE).astimezone(zone).replace(tzinfo=None)
    due = []
    instant = first
    while instant <= last:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        if wildcard:
            started = matches(expression, wall)
        else:
            started = False
            while reached < wall:  # more than one minute only after the clock was put forward
                reached += MINUTE
                started = matches(expression, reached) or started
        if started:
            due.append(instant)
        instant += MINUTE
    return due


@dataclass(frozen=True)
class Transition:
    zone: ZoneInfo
    instant: datetime  # of the first minute with the new offset

    def __str__(self) -> str:
        return f"{self.zone.key} {self.instant:%Y-%m-%dT%H:%MZ}"


@cache
def transitions(name: str, first_year: int, last_year: int) -> tuple[Transition, ...]:
    """Return every change of a zone's offset in those years, by looking at the clock often."""
    zone = ZoneInfo(name)
    return tuple(Transition(zone, instant) for instant in _instants(zone, first_year, last_year))


def _instants(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[datetime]:
    look, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    pace = timedelta(hours=12)
    while look < end:
        offset = look.astimezone(zone).utcoffset()
        if (look + pace).astimezone(zone).utcoffset() != offset:
            minute = look
            while minute.astimezone(zone).utcoffset() == offset:
                minute += MINUTE
            yield minute
        look += pace
