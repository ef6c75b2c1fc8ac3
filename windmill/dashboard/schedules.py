"""A schedule in one line of plain words in the viewer's language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Final

from babel.dates import get_day_names, get_month_names
from cronsim.explain import Expression, Field
from flask_babel import gettext, ngettext

from windmill.core.cron import ALIASES
from windmill.core.documents import Document
from windmill.core.explain import duration_in_words, instant_in_words
from windmill.core.model import Schedule
from windmill.dashboard.words import joined, locale

TIMES: Final = 6  # of a day that are named; of more the expression says enough
DATES: Final = 3


def schedule_words(job: Document, schedule: Schedule | None) -> str:
    """Return when the job is due; as it was recorded where the language is English or nothing better is known."""
    if locale().language == "en":
        return str(job["schedule_words"])
    if above := [one["job"] for one in job.get("after", ())]:
        named = gettext("after %(jobs)s", jobs=joined(above))
        return f"{_timed(schedule)}, {named}" if schedule else str(named)
    if schedule is None:
        return str(gettext("manual only") if job["schedule_words"] == "manual only" else str(job["schedule_words"]))
    return _timed(schedule)


def cron_words(expression: str) -> str:
    """Return a cron expression in words, itself where words would not be plainer. It has to be a valid one."""
    parts = ALIASES.get(expression.upper(), expression.upper()).split()
    fields = Expression(parts)
    times, dates = _times(fields), list(_dates(fields))
    if times is None or None in dates:
        return str(gettext("cron %(expression)s", expression=expression))
    daily = [] if dates or not fields.hour.all_singles else [gettext("every day")]
    return ", ".join([*daily, *filter(None, dates), times])


def _timed(schedule: Schedule) -> str:
    return ", ".join([_when(schedule), *_limits(schedule)])


def _when(schedule: Schedule) -> str:
    zone = schedule.timezone
    start = instant_in_words(schedule.start_at, zone) if schedule.start_at else ""
    if schedule.interval is not None:
        every = duration_in_words(schedule.interval)
        if start:
            return str(gettext("every %(span)s from %(start)s", span=every, start=start))
        return str(gettext("every %(span)s", span=every))
    if schedule.at is not None:
        return str(gettext("once at %(at)s", at=instant_in_words(schedule.at, zone)))
    words = cron_words(schedule.cron or "")
    return str(gettext("%(cron)s, from %(start)s", cron=words, start=start)) if start else f"{words}, {zone}"


def _limits(schedule: Schedule) -> Iterator[str]:
    if schedule.end_at:
        yield gettext("until %(end)s", end=instant_in_words(schedule.end_at, schedule.timezone))
    if schedule.max_runs is not None:
        yield ngettext("at most once", "at most %(num)d times", schedule.max_runs)
    if schedule.spread:
        yield gettext("spread over %(span)s", span=duration_in_words(schedule.spread))
    if schedule.skip_dates:
        days = sorted(schedule.skip_dates)
        named, more = ", ".join(map(str, days[:DATES])), len(days) - DATES
        yield gettext("not on %(dates)s", dates=named)
        if more > 0:
            yield ngettext("nor on %(num)d more date", "nor on %(num)d more dates", more)


def _times(fields: Expression) -> str | None:
    """Return at which times of a day, None where words would not be plainer than the expression."""
    second, minute, hour = fields.second, fields.minute, fields.hour
    if not second.zero:
        return None
    if hour.star and (words := _in_every_hour(minute)):
        return words
    if hours := _range(hour):
        return _within(minute, *hours)
    if (step := _step(hour)) and minute.zero:
        return str(gettext("every %(span)s", span=duration_in_words(timedelta(hours=step))))
    if minute.all_singles and hour.all_singles:
        found = [f"{one:02}:{other:02}" for one, other in product(sorted(hour.singles()), sorted(minute.singles()))]
        return str(gettext("at %(times)s", times=joined(found))) if len(found) <= TIMES else None
    return None


def _in_every_hour(minute: Field) -> str:
    """Return at which of its minutes, "" where there are no plain words for it."""
    if minute.star:
        return str(gettext("every minute"))
    if step := _step(minute):
        return str(gettext("every %(span)s", span=duration_in_words(timedelta(minutes=step))))
    if minute.zero:
        return str(gettext("every hour, on the hour"))
    if minute.single_value is not None:
        return str(gettext("every hour, at minute %(minute)s", minute=minute.single_value))
    return ""


def _within(minute: Field, first: int, last: int) -> str | None:
    """Return at which times from one hour to another, both included."""
    if (at := minute.single_value) is not None:
        return str(
            gettext("every hour from %(first)s to %(last)s", first=f"{first:02}:{at:02}", last=f"{last:02}:{at:02}")
        )
    if (step := 1 if minute.star else _step(minute)) == 0:
        return None
    span, end = duration_in_words(timedelta(minutes=step)), f"{last:02}:{60 - step:02}"
    return str(gettext("every %(span)s from %(first)s to %(last)s", span=span, first=f"{first:02}:00", last=end))


def _dates(fields: Expression) -> Iterator[str | None]:
    """Yield on which days; None for what words would not say more plainly than the expression."""
    day, dow, month = fields.day, fields.dow, fields.month
    if not day.star and not dow.star:
        yield None
    if not day.star:
        yield _days(day)
    if not dow.star:
        yield _named(dow, {(number + 1) % 7: name for number, name in get_day_names("wide", locale=locale()).items()})
    if not month.star:
        named = _named(month, dict(get_month_names("wide", locale=locale())))
        yield str(gettext("in %(months)s", months=named)) if named and month.all_singles else named


def _days(day: Field) -> str | None:
    if day.single_value == -1:
        return str(gettext("on the last day of the month"))
    if not day.all_singles or min(day.singles()) < 0:
        return None
    singles = sorted(day.singles())
    named = joined([str(one) for one in singles])
    return str(ngettext("on day %(days)s of the month", "on days %(days)s of the month", len(singles), days=named))


def _named(field: Field, names: dict[int, str]) -> str | None:
    """Return the weekdays or months by their names, ranges by both ends."""
    found = []
    for one in field.parsed:
        if one.start is None or one.stop is None or one.nth is not None or one.step != 1:
            return None
        first, last = (names[value % 7 if 0 in names else value] for value in (one.start, one.stop))
        found.append(first if one.is_single() else gettext("%(first)s to %(last)s", first=first, last=last))
    return joined(found)


def _range(field: Field) -> tuple[int, int] | None:
    """Return both ends of a field such as 8-18, None for others."""
    only = field.parsed[0]
    if len(field.parsed) > 1 or only.step != 1 or only.start is None or only.stop is None or only.is_single():
        return None
    return only.start, only.stop


def _step(field: Field) -> int:
    """Return the step of a field such as */5, 0 for others and for those that do not divide their whole."""
    whole = field.max_value + 1
    only = field.parsed[0]
    steps = len(field.parsed) == 1 and only.start is None and only.step > 1 and whole % only.step == 0
    return only.step if steps else 0
