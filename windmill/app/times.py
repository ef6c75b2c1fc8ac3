"""Durations and instants as people type them, on a command line or into a form. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windmill.core.errors import WindmillError
from windmill.core.zones import zone


def parse_duration(text: str) -> timedelta | None:
    """Return the duration in the words of a job file, "90" being seconds; None for anything else, zero included."""
    from windmill.jobs.fields import read_duration  # noqa: PLC0415 - not while a command line starts

    try:
        return read_duration(int(text) if text.isdecimal() else text) or None
    except ValueError:
        return None


def parse_until(text: str, *, now: datetime, timezone: str) -> datetime:
    """Return the UTC instant that a duration from `now`, or a date and time, names.

    A time without an offset is read in the zone. Raises WindmillError for what is neither, and for the past.
    """
    length = parse_duration(text)
    try:
        instant = now + length if length else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        hint = "write a duration such as 2h, or a time such as 2026-01-31T06:00"
        raise WindmillError(f'"{text}" is neither a duration nor a time', hint=hint) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone(timezone))
    instant = instant.astimezone(UTC)
    if instant <= now:
        raise WindmillError(f'"{text}" is past')
    return instant
