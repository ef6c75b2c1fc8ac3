"""Cron expressions, with the clock-change rules of Debian's cron: crontab(5) and cron(8).

CronSim matches dates and times on a wall clock that never changes; this module lays the zone over it. A job whose
minute or hour field starts with `*` follows real time: skipped wall times do not exist for it, repeated ones come
twice. A job at fixed times runs once per wall time: skipped times are due together, right after the change, and
repeated ones only the first time. The size of the change does not matter.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from windmill.core.errors import WindmillError
from windmill.core.zones import change_between, readings, wall_time

ALIASES: Final = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
LONGEST: Final = 500  # characters; every useful expression is far shorter
_FIELDS: Final = "the fields are minute hour day month weekday, with seconds first if there are six"
_HINTS: Final = (
    (r"^@", "known are " + " ".join(ALIASES).lower() + '; for an interval write interval: "1h30m"'),
    (r"^(CRON_)?TZ=", "write the zone under timezone"),
    (r"\?", "write * instead of ?"),
    (r"^(\S+ ){6}", _FIELDS + "; a year cannot be given, use start_at and end_at"),
    (r"(?<!L)W(?!ED)", "of W only LW is known, the last weekday of the month"),
    (r"\bH\b|~", "write a number, and spread: 10m to keep jobs apart"),
    (r"\bL-", "of L only L, LW and, as weekday, 5L (the last Friday) are known"),
    (r"^(\S+ ?){0,4}$", _FIELDS),
)
_VALUES: Final = {
    "Bad second": "a second is 0-59",
    "Bad minute": "a minute is 0-59",
    "Bad hour": "an hour is 0-23; a range over midnight is written 22-23,0-3",
    "Bad day-of-month": "a day is 1-31, one that a month given has; or L, LW",
    "Bad month": "a month is 1-12 or JAN-DEC",
    "Bad day-of-week": "a weekday is 0-7 or SUN-SAT (0 and 7 are Sunday); or 5L, 5#3",
}
HORIZON: Final = 50  # years; CronSim gives up after as many without a match

_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock: the calendar repeats within 50 years


@dataclass(frozen=True, slots=True)
class Cron:
    """Due at the wall times of a cron expression in a zone. `expression` is what `parse_cron` returned."""

    expression: str
    zone: ZoneInfo

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first due instant strictly later than `instant`, or None when none is left.

        None also when nothing matches for 50 years, or before the end of the year 9999.
        """
        try:
            return self._real(instant) if follows_real_time(self.expression) else self._fixed(instant)
        except (StopIteration, OverflowError):
            return None

    def _fixed(self, instant: datetime) -> datetime:
        local = instant.astimezone(self.zone)
        wall = local.replace(tzinfo=None)
        if local.fold:  # every time up to the change has had its turn
            wall = change_between(*readings(wall, self.zone), self.zone).old - _SECOND
        early, late = readings(self._match(wall), self.zone)
        return early if early <= late else change_between(late, early, self.zone).instant

    def _real(self, instant: datetime) -> datetime:
        wall = wall_time(instant, self.zone)
        horizon = wall.year + HORIZON
        early, late = readings(wall, self.zone)
        if early == instant < late:  # clocks will be put back to before `wall`
            change = change_between(early, late, self.zone)
            due = self._match(wall)
            if due < change.old:
                return instant + (due - wall)
            wall, instant = change.new - _SECOND, change.instant - _SECOND
        while wall.year <= horizon:
            wall = self._match(wall)
            early, late = readings(wall, self.zone)
            if early <= late:
                return early if early > instant else late
            wall = change_between(late, early, self.zone).new - _SECOND
        raise StopIteration

    def _match(self, wall: datetime) -> datetime:
        """Return the first matching wall time after `wall`; raises StopIteration when there is none."""
        search = copy.copy(matcher(self.expression))
        search.dt = wall.replace(microsecond=0)
        return next(search)


@lru_cache(maxsize=16384)
def parse_cron(expression: str) -> str:
    """Return the expression in upper case, single-spaced, aliases such as @daily written out.

    Five fields, or six with seconds first. Raises WindmillError in the words of Debian's cron, with a hint where a
    dialect of cron is recognised, also for an expression that no date matches.
    """
    if len(expression) > LONGEST:
        raise WindmillError(f"cron: at most {LONGEST} characters expected, found {len(expression)}")
    text = " ".join(expression.upper().split())
    # CronSim reads the range 5-5/2, which is just 5, as 5/2.
    normal = re.sub(r"\b(\w+)-\1/[1-9]\d*", r"\1", ALIASES.get(text, text))
    try:
        next(copy.copy(matcher(normal)))
    except CronSimError as error:
        raise WindmillError(f'cron "{expression}": {error}', hint=_hint(text, str(error))) from None
    except StopIteration:
        raise WindmillError(
            f'cron "{expression}": no date matches', hint="day and weekday exclude each other"
        ) from None
    return normal


@lru_cache(maxsize=16384)
def matcher(expression: str) -> CronSim:
    """Return what matches the expression on a wall clock; shared, so copy it before moving it."""
    return CronSim(expression, _EPOCH)


def follows_real_time(expression: str) -> bool:
    """Return True when skipped wall times are left out and repeated ones come twice, by Debian's rule."""
    _, minute, hour, *_ = matcher(expression).parts
    return minute.startswith("*") or hour.startswith("*")


def _hint(text: str, complaint: str) -> str:
    dialect = (hint for pattern, hint in _HINTS if re.search(pattern, text))
    return next(dialect, _VALUES.get(complaint, ""))
