"""Which executions are wanted, as an address says it: one reading for the page, the table file and the API. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from flask_babel import gettext

from windmill.core.documents import Document
from windmill.core.model import Cause, State
from windmill.core.ports import ExecutionFilter

NAMES: Final = (
    "q", "project", "job", "state", "trigger", "label", "last", "from", "to", "revision", "longer_than", "contains",
    "failure", "column",
)  # fmt: skip
LONGEST: Final = 500  # characters of a value
COLUMNS_MAX: Final = 8
_DURATION: Final = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s?)?")
_UNITS: Final = ("days", "hours", "minutes", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an address asks for: the filter without labels, the labels, and in words what could not be read."""

    wanted: ExecutionFilter
    labels: tuple[str, ...]
    given: Mapping[str, Sequence[str]]  # by name of NAMES, as it was written
    mistakes: tuple[str, ...]
    columns: tuple[str, ...] = ()  # names of facts, COLUMNS_MAX at most


def read(given: Mapping[str, Sequence[str]], now: datetime) -> Asked:
    """Return what is asked for by the values of NAMES; others are ignored, and empty values do not restrict.

    Times without an offset are in UTC. A value that cannot be read restricts nothing and is a mistake.
    """
    values = {name: [one for one in given.get(name, ()) if one.strip()] for name in NAMES}
    reader = _Reader({name: found for name, found in values.items() if found}, now)
    wanted = ExecutionFilter(
        text=reader.text("q"),
        project=reader.text("project"),
        job=reader.text("job"),
        states=frozenset(map(State, reader.some("state", State))),
        triggers=reader.some("trigger", Cause),
        since=max(filter(None, [reader.ago("last"), reader.instant("from")]), default=None),
        until=reader.instant("to"),
        revision=reader.text("revision"),
        longer_than=reader.duration("longer_than"),
        contains=reader.text("contains"),
        failure=reader.text("failure"),
    )
    columns = tuple(dict.fromkeys(reader.text("column").split()))[:COLUMNS_MAX]
    labels = tuple(filter(None, [reader.text("label")]))
    return Asked(wanted=wanted, labels=labels, given=reader.given, mistakes=tuple(reader.mistakes), columns=columns)


def labelled(job: Document, label: str) -> bool:
    """Return whether the job carries the label: a name, or a name and its value as team=sales."""
    name, equals, value = label.partition("=")
    labels = job.get("labels") or {}
    return name.strip() in labels and (not equals or str(labels[name.strip()]) == value.strip())


class _Reader:
    def __init__(self, given: Mapping[str, Sequence[str]], now: datetime) -> None:
        self.given, self._now = given, now
        self.mistakes: list[str] = []

    def text(self, name: str) -> str:
        value = self.given.get(name, [""])[-1].strip()
        if len(value) <= LONGEST:
            return value
        self.mistakes.append(gettext("%(name)s is longer than %(count)s characters", name=name, count=LONGEST))
        return ""

    def some(self, name: str, known: type[State | Cause]) -> frozenset[str]:
        values = frozenset(self.given.get(name, ()))
        if unknown := values - frozenset(known):
            self.mistakes.append(
                gettext(
                    "%(name)s is one of %(known)s, not %(value)s",
                    name=name,
                    known=", ".join(known),
                    value=_shown(min(unknown)),
                )
            )
        return values & frozenset(known)

    def duration(self, name: str) -> timedelta | None:
        text = self.text(name)
        match = _DURATION.fullmatch(text)
        if text and match:
            return timedelta(**{unit: int(count or 0) for unit, count in zip(_UNITS, match.groups(), strict=True)})
        if text:
            self.mistakes.append(
                gettext(
                    "%(name)s is a duration such as 30s, 5m, 1h30m or 2d, not %(value)s",
                    name=name,
                    value=_shown(text),
                )
            )
        return None

    def ago(self, name: str) -> datetime | None:
        length = self.duration(name)
        try:
            return self._now - length if length else None
        except OverflowError:
            return None  # longer than there are years: it restricts nothing

    def instant(self, name: str) -> datetime | None:
        text = self.text(name)
        try:
            instant = datetime.fromisoformat(text) if text else None
            return instant and (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.mistakes.append(
                gettext("%(name)s is a time such as 2026-01-31T06:00, not %(value)s", name=name, value=_shown(text))
            )
            return None


def _shown(value: str) -> str:
    return f'"{value[:40]}"'
