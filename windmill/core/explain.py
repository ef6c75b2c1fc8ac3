"""A schedule in one line of plain words, for the command line and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from windmill.core.cron import matcher, parse_cron
from windmill.core.model import Schedule
from windmill.core.zones import zone

SHOWN_DATES: Final = 3

_UNITS: Final = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", timedelta(milliseconds=1)),
)


@lru_cache(maxsize=4096)
def in_words(schedule: Schedule) -> str:
    """Return for example "every 1 h 30 min from 2026-01-01 00:00 America/Sao_Paulo, at most 100 times".

    Instants are shown in the schedule's zone. Raises WindmillError for an expression or zone that is not valid.
    """
    return ", ".join([_when(schedule), *_limits(schedule)])


def duration_in_words(duration: timedelta) -> str:
    """Return for example "1 h 30 min"; days are 24 hours, below a millisecond is "0 s"."""
    words = []
    for name, unit in _UNITS:
        count, duration = divmod(duration, unit)
        if count:
            words.append(f"{count} {name}")
    return " ".join(words) or "0 s"


def instant_in_words(instant: datetime, timezone: str) -> str:
    """Return for example "2026-01-01 00:00 America/Sao_Paulo"; seconds only where there are any."""
    local = instant.astimezone(zone(timezone)).replace(tzinfo=None)
    precision = "milliseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return f"{local.isoformat(' ', precision)} {timezone}"


def _when(schedule: Schedule) -> str:
    start = f" from {instant_in_words(schedule.start_at, schedule.timezone)}" if schedule.start_at else ""
    if schedule.interval is not None:
        return f"every {duration_in_words(schedule.interval)}{start}"
    if schedule.at is not None:
        return f"once at {instant_in_words(schedule.at, schedule.timezone)}{start}"
    text = matcher(parse_cron(schedule.cron or "")).explain()
    return text[:1].lower() + text[1:] + (start or f", {schedule.timezone}")


def _limits(schedule: Schedule) -> Iterator[str]:
    if schedule.end_at:
        yield f"until {instant_in_words(schedule.end_at, schedule.timezone)}"
    if schedule.max_runs is not None:
        yield "at most once" if schedule.max_runs == 1 else f"at most {schedule.max_runs} times"
    if schedule.spread:
        yield f"spread over {duration_in_words(schedule.spread)}"
    if schedule.skip_dates:
        yield f"not on {_dates(sorted(schedule.skip_dates))}"


def _dates(dates: list[date]) -> str:
    text = ", ".join(str(day) for day in dates[:SHOWN_DATES])
    return text + (f" and {len(dates) - SHOWN_DATES} more dates" if len(dates) > SHOWN_DATES else "")
