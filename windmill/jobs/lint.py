"""What a checked job may say and probably does not mean. Only what is certain is said."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from windmill.core.cron import follows_real_time, matcher, parse_cron
from windmill.core.errors import Problem
from windmill.core.explain import duration_in_words, instant_in_words
from windmill.core.model import Job, Retry, Schedule
from windmill.core.triggers import trigger_for
from windmill.core.zones import Change, changes, zone

AHEAD: Final = timedelta(days=400)  # how far changes of clock are looked for: every yearly rule comes once

_STEP: Final = re.compile(r"(?:\*|0|0-59|0-23)/(\d+)")
_FIELDS: Final = (("second", 0, 60), ("minute", 1, 60), ("hour", 2, 24))
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_DAY: Final = 29
_SECOND: Final = timedelta(seconds=1)


class Finding(NamedTuple):
    """One warning before it knows its file."""

    code: str
    message: str
    hint: str


def lint(job: Job, *, now: datetime) -> list[Problem]:
    """Return warnings about a checked job in a fixed order; empty when nothing is odd. Codes are stable:

    never-fires, uneven-step, leap-day-only, skipped-months, dst-skipped-time, dst-repeated-time,
    interval-shorter-than-spread, retry-without-limit, retry-delay-capped, retry-after-success.
    """
    findings = [*_schedule(job, job.schedule, now), *_retry(job)] if job.schedule else [*_retry(job)]
    return [
        Problem(
            file=job.file,
            line=job.line,
            column=1,
            message=finding.message,
            hint=finding.hint,
            severity="warning",
            code=finding.code,
            job=job.key,
        )
        for finding in findings
    ]


def _schedule(job: Job, schedule: Schedule, now: datetime) -> Iterator[Finding]:
    yield from _never(job, schedule, now)
    if schedule.cron is not None:
        expression = parse_cron(schedule.cron)
        yield from _uneven(expression)
        yield from _short_months(expression)
        yield from _clock_changes(expression, schedule, now)
    elif schedule.interval is not None and schedule.interval < schedule.spread:
        yield Finding(
            "interval-shorter-than-spread",
            f"spread {duration_in_words(schedule.spread)} is longer than"
            f" the interval {duration_in_words(schedule.interval)}",
            "the shift is fixed per job, so less than the interval spreads as well",
        )


def _never(job: Job, schedule: Schedule, now: datetime) -> Iterator[Finding]:
    if trigger_for(schedule, key=job.key, first_seen=now).next_after(now):
        return

    def shown(instant: datetime) -> str:
        return instant_in_words(instant, schedule.timezone)

    start, end, at = schedule.start_at, schedule.end_at, schedule.at
    if start and end and start > end:
        yield Finding("never-fires", f"start_at {shown(start)} is later than end_at {shown(end)}", "swap them")
    elif end and end <= now:
        yield Finding("never-fires", f"end_at {shown(end)} is past", "move end_at, or remove the job")
    elif at and at <= now:
        yield Finding("never-fires", f"at {shown(at)} is past", "move at, or remove the job")
    elif schedule.interval is None or start:  # else the grid may have begun before `now`
        yield Finding("never-fires", "no slot is left", "look at start_at, end_at, spread and skip_dates")


def _uneven(expression: str) -> Iterator[Finding]:
    parts = matcher(expression).parts
    for name, index, size in _FIELDS:
        step = next((int(found[1]) for term in parts[index].split(",") if (found := _STEP.fullmatch(term))), 1)
        if size % step:
            last = (size - 1) // step * step
            told = f"{step} does not divide {size}: after {name} {last} comes 0" if last else f"only {name} 0 matches"
            hint = "write the values as a list, or an interval for even distances"
            yield Finding("uneven-step", f"cron {name} {parts[index].lower()}: {told}", hint)


def _short_months(expression: str) -> Iterator[Finding]:
    cron = matcher(expression)
    day = min(cron.days)
    if not cron.day_and or day < _LEAP_DAY:
        return
    if day == _LEAP_DAY and cron.months == {2}:
        yield Finding("leap-day-only", "cron matches 29 February only", "for every year write 28 2, or L 2")
        return
    short = [_MONTHS[month - 1] for month in sorted(cron.months) if day > _DAYS[month - 1]]
    if short:
        what = "in common years no slot in Feb" if day == _LEAP_DAY else f"no slot in {', '.join(short)}"
        yield Finding("skipped-months", f"cron day {day}: {what}", "L is the last day of every month")


def _clock_changes(expression: str, schedule: Schedule, now: datetime) -> Iterator[Finding]:
    real = follows_real_time(expression)
    if real and len(matcher(expression).hours) == len(range(24)):
        return  # the distances stay as they are
    place = zone(schedule.timezone)
    begin, end = max(now, schedule.start_at or now), schedule.end_at
    wanted = {"dst-skipped-time", "dst-repeated-time"}
    for change in _changes_ahead(place, begin.replace(hour=0, minute=0, second=0, microsecond=0)):
        code = "dst-skipped-time" if change.new > change.old else "dst-repeated-time"
        if code not in wanted or change.instant <= begin or (end and change.instant > end):
            continue
        wall = _first_between(expression, *sorted((change.old, change.new)))
        if wall and wall.date() not in schedule.skip_dates:
            wanted.discard(code)
            yield _affected(code, wall, change, real, schedule.timezone)


def _affected(code: str, wall: datetime, change: Change, real: bool, timezone: str) -> Finding:
    moved = f"in {timezone}: clocks go from {change.old:%H:%M} to {change.new:%H:%M}"
    if code == "dst-skipped-time":
        return Finding(
            code,
            f"{wall:%H:%M on %Y-%m-%d} does not exist {moved}",
            "no start for it that day" if real else f"it starts at {change.new:%H:%M} that day, once",
        )
    return Finding(
        code,
        f"{wall:%H:%M on %Y-%m-%d} comes twice {moved}",
        "it starts both times" if real else "it starts the first time only",
    )


@lru_cache(maxsize=1024)
def _changes_ahead(place: ZoneInfo, day: datetime) -> tuple[Change, ...]:
    return tuple(changes(place, after=day, until=day + AHEAD))


def _first_between(expression: str, low: datetime, high: datetime) -> datetime | None:
    search = copy.copy(matcher(expression))
    search.dt = low - _SECOND
    wall = next(search, None)
    return wall if wall and wall < high else None


def _retry(job: Job) -> Iterator[Finding]:
    retry = job.retry
    if not retry.limit:
        if retry != Retry():
            yield Finding("retry-without-limit", "retry has no limit, so nothing is tried again", "set retry.limit")
        return
    if retry.delay > retry.max_delay:
        delay, most = duration_in_words(retry.delay), duration_in_words(retry.max_delay)
        yield Finding("retry-delay-capped", f"retry.delay {delay} is cut to max_delay {most}", "raise max_delay")
    both = sorted(set(retry.exit_codes) & set(job.success_exit_codes))
    if both:
        codes = ", ".join(map(str, both))
        hint = "remove it from one of the two"
        yield Finding("retry-after-success", f"exit code {codes} is a success, so it is not tried again", hint)
