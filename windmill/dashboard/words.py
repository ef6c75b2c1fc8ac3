"""Durations, distances in time, dates and reasons in the viewer's language; English where nobody asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.numbers import get_decimal_symbol
from flask_babel import get_locale, gettext, lazy_gettext, ngettext

from windmill.core import words
from windmill.core.documents import Document

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
STATES: Final = {
    "queued": lazy_gettext("Scheduled"),
    "running": lazy_gettext("Running"),
    "succeeded": lazy_gettext("Success"),
    "failed": lazy_gettext("Failed"),
    "timed_out": lazy_gettext("Timed out"),
    "stopped": lazy_gettext("Stopped"),
    "lost": lazy_gettext("Lost"),
    "skipped": lazy_gettext("Skipped"),
    "never": lazy_gettext("never"),  # what a job can be beside the states of its executions
    "paused": lazy_gettext("paused"),
    "disabled": lazy_gettext("disabled"),
    "stale": lazy_gettext("file invalid"),
    "deleted": lazy_gettext("deleted"),
}
TRIGGERS: Final = {
    "schedule": lazy_gettext("schedule"),
    "catch_up": lazy_gettext("catch-up"),
    "retry": lazy_gettext("retry"),
    "manual": lazy_gettext("by hand"),
    "after": lazy_gettext("after another job"),
}
# Reasons as core and runner record them, by what stands before the first colon.
REASONS: Final = {
    "paused": lazy_gettext("the job was paused"),
    "missed": lazy_gettext("missed: the scheduler was not running"),
    "window": lazy_gettext("too long ago to catch up with"),
    "coalesced": lazy_gettext("settled together with a later slot"),
    "overrun": lazy_gettext("the execution before still ran"),
    "removed": lazy_gettext("the job was removed"),
    "disabled": lazy_gettext("the job was disabled"),
    "timeout": lazy_gettext("took longer than its timeout allows"),
    "journal_gone": lazy_gettext("its journal is gone"),
    "output_held": lazy_gettext("a process left behind held its output open"),
    "left_behind": lazy_gettext("processes left behind: %(more)s"),
    "survivors": lazy_gettext("processes survived: %(more)s"),
    "not_started": lazy_gettext("not started: %(more)s"),
    "stopped": lazy_gettext("stopped: %(more)s"),
    "lost": lazy_gettext("lost: %(more)s"),
    "signal": lazy_gettext("signal: %(more)s"),
    "stderr": lazy_gettext("it wrote to stderr"),
}

# How a job that was blocked tells of one before it, by the words that core records.
BLOCKED: Final = {
    "failed": lazy_gettext("%(job)s failed (%(execution)s)"),
    "timed out": lazy_gettext("%(job)s timed out (%(execution)s)"),
    "was lost": lazy_gettext("%(job)s was lost (%(execution)s)"),
    "was stopped": lazy_gettext("%(job)s was stopped (%(execution)s)"),
    "was blocked": lazy_gettext("%(job)s was blocked (%(execution)s)"),
    "succeeded": lazy_gettext("%(job)s succeeded (%(execution)s)"),
}
_ENDED: Final = re.compile(rf"(?P<job>[^\s/]+/\S+) (?P<how>{'|'.join(BLOCKED)}) \((?P<execution>[0-9a-f]{{16}})\)")
_LEFT_OUT: Final = re.compile(r"(?P<job>[^\s/]+/\S+) was skipped \((?P<reason>[a-z]+)\)")


def locale() -> Locale:
    """Return the viewer's locale, English outside a request."""
    return get_locale() or Locale("en")


def span(length: timedelta) -> str:
    """Return a duration in at most two units: 340 ms, 1,5 s, 3 min 20 s, 2 h 5 min."""
    return words.span(length).replace(".", get_decimal_symbol(locale()))


def relative(instant: datetime, now: datetime) -> str:
    """Return how far the instant lies from `now`: "in 5 min", "20 s ago", "now"."""
    distance = instant - now
    if abs(distance) < timedelta(seconds=1):
        return str(gettext("now"))
    far = span(_coarse(abs(distance)))
    return str(gettext("in %(span)s", span=far) if distance > timedelta(0) else gettext("%(span)s ago", span=far))


def state_word(state: str) -> str:
    """Return the state as it is called on pages; an unknown one is shown as it is."""
    return str(STATES.get(state, state))


def trigger_word(trigger: str) -> str:
    """Return what started an execution; an unknown trigger is shown as it is."""
    return str(TRIGGERS.get(trigger, trigger))


def why(execution: Document) -> str:
    """Return in a few words how an execution ended, "" for one that went well."""
    return "; ".join(_reason(part, execution) for part in str(execution["reason"]).split("; ") if part)


def in_utc(instant: datetime) -> datetime:
    """Return the instant on the clock of UTC."""
    return instant.astimezone(UTC)


def moment(instant: datetime) -> str:
    """Return the instant on the clock of its zone: Thu 01 Jan, 12:15:00."""
    return str(format_datetime(instant, "EEE dd MMM, HH:mm:ss", tzinfo=instant.tzinfo, locale=locale()))


def month(day: date) -> str:
    """Return the short name of the month."""
    return str(format_date(day, "LLL", locale=locale()))


def weekday(day: date) -> str:
    """Return the day as one of the next week: Thu 01."""
    return str(format_date(day, "EEE dd", locale=locale()))


def joined(parts: Sequence[str]) -> str:
    """Return the parts as a list in a sentence: a, b, and c."""
    return str(format_list(list(parts), locale=locale()))


def days(count: int) -> str:
    """Return so many days in words."""
    return str(ngettext("%(num)d day", "%(num)d days", count))


def _reason(part: str, execution: Document) -> str:
    if part == "exit_code":
        return str(gettext("exit code %(code)s", code=execution["exit_code"]))
    name, colon, more = part.partition(": ")
    if name == "blocked" and colon:
        return str(gettext("blocked: %(why)s", why=_above(more) or more))
    if above := _above(part):
        return above
    if name == "stopped" and more.startswith("by "):
        return str(gettext("stopped by %(who)s", who=more.removeprefix("by ")))
    known = REASONS.get(name)
    if known is None or ("%(more)s" in str(known)) != bool(colon):
        return part
    return str(known) % {"more": more} if colon else str(known)


def _above(part: str) -> str:
    """Return what a job before did, "" for what tells of none."""
    if found := _ENDED.fullmatch(part):
        return str(BLOCKED[found["how"]] % {"job": found["job"], "execution": found["execution"][:8]})
    if found := _LEFT_OUT.fullmatch(part):
        why = str(REASONS.get(found["reason"], found["reason"]))
        return str(gettext("%(job)s was skipped (%(why)s)", job=found["job"], why=why))
    return ""


def _coarse(distance: timedelta) -> timedelta:
    """Return the distance without what nobody reads: above a minute its seconds, above a day its minutes."""
    unit = timedelta(hours=1) if distance >= DAY else MINUTE if distance >= MINUTE else timedelta(seconds=1)
    return distance // unit * unit if unit > timedelta(seconds=1) else timedelta(seconds=round(distance / unit))
