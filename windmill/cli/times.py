"""Durations and schedules as people type them on a command line. Pure."""

from __future__ import annotations

from datetime import timedelta

from windmill.app.times import parse_duration
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.core.triggers import parse_cron


def duration(text: str) -> timedelta:
    """Return the duration; raises WindmillError saying how one is written."""
    length = parse_duration(text)
    if length is None:
        raise WindmillError(f'"{text}" is not a duration', hint="write it like 30s, 5m, 1h30m or 2d")
    return length


def as_schedule(text: str, *, timezone: str) -> Schedule:
    """Return the schedule that a duration or a cron expression means. Raises WindmillError for what is neither."""
    length = parse_duration(text)
    if length is not None:
        return Schedule(interval=length, timezone=timezone)
    return Schedule(cron=parse_cron(text), timezone=timezone)
