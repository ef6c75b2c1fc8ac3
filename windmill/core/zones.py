"""Zones and their changes of clock, asked from the machine's time zone data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from windmill.core.errors import WindmillError

_DAY: Final = timedelta(days=1)


def zone(name: str) -> ZoneInfo:
    """Return the zone of that IANA name; raises WindmillError when the machine knows none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise WindmillError(f'unknown timezone "{name}"', hint="write an IANA name such as Europe/Lisbon") from None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of clock: at `instant` (UTC) clocks on walls that reach `old` are set to `new` (both naive)."""

    instant: datetime
    old: datetime
    new: datetime


def wall_time(instant: datetime, place: ZoneInfo) -> datetime:
    """Return what clocks on walls show, as a naive datetime."""
    return instant.astimezone(place).replace(tzinfo=None)


def readings(wall: datetime, place: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants of a naive wall time by the offset before and after a change of clock.

    They are equal where the clock does not change, ascending where it shows `wall` twice, descending where it
    skips it.
    """
    local = wall.replace(tzinfo=place, fold=0)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def change_between(before: datetime, after: datetime, place: ZoneInfo) -> Change:
    """Return the change of clock with before < instant <= after; there must be exactly one."""
    low, high = int(before.timestamp() // 1), int(after.timestamp() // 1)
    old, new = (instant.astimezone(place).utcoffset() or timedelta() for instant in (before, after))
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, place).utcoffset() == new:
            high = middle
        else:
            low = middle
    instant = datetime.fromtimestamp(high, UTC)
    naive = instant.replace(tzinfo=None)
    return Change(instant, naive + old, naive + new)


def changes(place: ZoneInfo, *, after: datetime, until: datetime) -> Iterator[Change]:
    """Yield the changes of clock with after < instant, the last not more than a day later than `until`."""
    day = after
    while day < until:
        following = day + _DAY
        if day.astimezone(place).utcoffset() != following.astimezone(place).utcoffset():
            yield change_between(day, following, place)
        day = following
