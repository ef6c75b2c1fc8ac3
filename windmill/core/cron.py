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
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from windmill.core.errors import WindmillError

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
            return self._fixed(instant) if _matcher(self.expression)[1] else self._real(instant)
        except (StopIteration, OverflowError):
            return None

    def _fixed(self, instant: datetime) -> datetime:
        local = instant.astimezone(self.zone)
        wall = local.replace(tzinfo=None)
        if local.fold:  # every time up to the change has had its turn
            early, late = self._readings(wall)
            wall += self._change(early, late) - early - _SECOND
        early, late = self._readings(self._match(wall))
        return early if early <= late else self._change(late, early)

    def _real(self, instant: datetime) -> datetime:
        wall = instant.astimezone(self.zone).replace(tzinfo=None)
        horizon = wall.year + HORIZON
        early, late = self._readings(wall)
        if early == instant < late:  # the clock will be put back to before `wall`
            change = self._change(early, late)
            due = instant + (self._match(wall) - wall)
            if due < change:
                return due
            wall, instant = self._last_skipped(change), change - _SECOND
        while wall.year <= horizon:
            wall = self._match(wall)
            early, late = self._readings(wall)
            if early <= late:
                return early if early > instant else late
            wall = self._last_skipped(self._change(late, early))
        raise StopIteration

    def _match(self, wall: datetime) -> datetime:
        """Return the first matching wall time after `wall`; raises StopIteration when there is none."""
        matcher = copy.copy(_matcher(self.expression)[0])
        matcher.dt = wall.replace(microsecond=0)
        return next(matcher)

    def _readings(self, wall: datetime) -> tuple[datetime, datetime]:
        """Return the instants of `wall` by the offset before and after a change of clock.

        They are equal where the clock does not change, ascending where it repeats `wall`, descending where it
        skips it.
        """
        local = wall.replace(tzinfo=self.zone, fold=0)
        return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)

    def _change(self, before: datetime, after: datetime) -> datetime:
        """Return the instant of the change of clock later than `before`, not later than `after`."""
        low, high = int(before.timestamp() // 1), int(after.timestamp() // 1)
        offset = after.astimezone(self.zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self.zone).utcoffset() == offset:
                high = middle
            else:
                low = middle
        return datetime.fromtimestamp(high, UTC)

    def _last_skipped(self, change: datetime) -> datetime:
        return change.astimezone(self.zone).replace(tzinfo=None) - _SECOND


def parse_cron(expression: str) -> str:
    """Return the expression in upper case, single-spaced, aliases such as @daily written out.

    Five fields, or six with seconds first. Raises WindmillError in the words of Debian's cron, with a hint where a
    dialect of cron is recognised, also for an expression that no date matches.
    """
    if len(expression) > LONGEST:
        raise WindmillError(f"cron: at most {LONGEST} characters expected, found {len(expression)}")
    text = " ".join(expression.upper().split())
    normal = ALIASES.get(text, text)
    try:
        matcher = _matcher(normal)[0]
        next(copy.copy(matcher))
    except CronSimError as error:
        raise WindmillError(f'cron "{expression}": {error}', hint=_hint(text, str(error))) from None
    except StopIteration:
        raise WindmillError(
            f'cron "{expression}": no date matches', hint="day and weekday exclude each other"
        ) from None
    return normal


@lru_cache(maxsize=16384)
def _matcher(expression: str) -> tuple[CronSim, bool]:
    """Return the expression's matcher on a wall clock (copy it before use) and whether its times are fixed."""
    matcher = CronSim(expression, _EPOCH)
    _, minute, hour, *_ = matcher.parts
    return matcher, not (minute.startswith("*") or hour.startswith("*"))


def _hint(text: str, complaint: str) -> str:
    dialect = (hint for pattern, hint in _HINTS if re.search(pattern, text))
    return next(dialect, _VALUES.get(complaint, ""))
