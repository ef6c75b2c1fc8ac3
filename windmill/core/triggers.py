"""When a job is due: pure questions to a schedule, asked and answered in UTC instants of whole milliseconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from windmill.core.cron import Cron, parse_cron
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.core.zones import zone

__all__ = ["At", "Cron", "Every", "Skip", "Spread", "Trigger", "Window", "parse_cron", "slots", "trigger_for"]

TICK: Final = timedelta(milliseconds=1)


class Trigger(Protocol):
    """What is due when. A frozen value: equal questions have equal answers, for ever."""

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first due instant strictly later than `instant` (both UTC), or None when none is left."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due at anchor + n*step for all n >= first: elapsed time, whatever clocks on walls do."""

    anchor: datetime
    step: timedelta
    first: int = 0

    def next_after(self, instant: datetime) -> datetime | None:
        """See Trigger."""
        try:
            return self.anchor + max((instant - self.anchor) // self.step + 1, self.first) * self.step
        except OverflowError:  # past the year 9999
            return None


@dataclass(frozen=True, slots=True)
class At:
    """Due once."""

    instant: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        """See Trigger."""
        return self.instant if self.instant > instant else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Due when `trigger` is, `offset` later."""

    trigger: Trigger
    offset: timedelta

    def next_after(self, instant: datetime) -> datetime | None:
        """See Trigger."""
        try:
            due = self.trigger.next_after(instant - self.offset)
            return due and due + self.offset
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Skip:
    """Due when `trigger` is, except on `dates` in `zone`."""

    trigger: Trigger
    dates: frozenset[date]
    zone: ZoneInfo

    def next_after(self, instant: datetime) -> datetime | None:
        """See Trigger."""
        due = self.trigger.next_after(instant)
        while due and (day := due.astimezone(self.zone).date()) in self.dates:
            midnight = datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)
            due = self.trigger.next_after(max(due, midnight - TICK))
        return due


@dataclass(frozen=True, slots=True)
class Window:
    """Due when `trigger` is, from `start` to `end`, both included; None is no limit."""

    trigger: Trigger
    start: datetime | None
    end: datetime | None

    def next_after(self, instant: datetime) -> datetime | None:
        """See Trigger."""
        if self.start and instant < self.start:
            instant = self.start - TICK
        due = self.trigger.next_after(instant)
        return None if due and self.end and due > self.end else due


def trigger_for(schedule: Schedule, *, key: str, first_seen: datetime) -> Trigger:
    """Return the trigger of the job `key`, seen for the first time at `first_seen`.

    An interval counts from start_at, which is its first slot; without one from `first_seen`, which is not a slot.
    Spread shifts every slot of a job by the same part of `schedule.spread`; dates and window apply to the shifted
    slots. Raises WindmillError for an unknown zone or a schedule that is not exactly one of interval, cron, at.
    """
    trigger = _base(schedule, first_seen)
    if schedule.spread >= TICK:
        trigger = Spread(trigger, _share(key, schedule.spread))
    if schedule.skip_dates:
        trigger = Skip(trigger, schedule.skip_dates, zone(schedule.timezone))
    if schedule.start_at or schedule.end_at:
        trigger = Window(trigger, schedule.start_at, schedule.end_at)
    return trigger


def slots(trigger: Trigger, *, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """Return the due instants with after < instant <= until, oldest first, at most `limit` of them."""
    found: list[datetime] = []
    due = trigger.next_after(after)
    while due and due <= until and len(found) < limit:
        found.append(due)
        due = trigger.next_after(due)
    return found


def _base(schedule: Schedule, first_seen: datetime) -> Trigger:
    match (schedule.interval, schedule.cron, schedule.at):
        case (timedelta() as step, None, None) if step >= TICK:
            return Every(schedule.start_at, step) if schedule.start_at else Every(first_seen, step, first=1)
        case (None, str() as expression, None):
            return Cron(parse_cron(expression), zone(schedule.timezone))
        case (None, None, datetime() as instant):
            return At(instant)
        case _:
            raise WindmillError("a schedule is exactly one of interval (1 ms or more), cron, at")


def _share(key: str, spread: timedelta) -> timedelta:
    """Return the job's fixed part of `spread`: at least 0, less than `spread`, in whole milliseconds."""
    number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return number % (spread // TICK) * TICK
