"""Where the parts of charts lie, in units of their own view boxes. Pure: templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Final

from windmill.core.documents import Document
from windmill.core.model import FAILURES

STEP: Final = 8  # from one bar to the next
BAR: Final = 6  # width of a bar
BARS_HIGH: Final = 24
DURATIONS_HIGH: Final = 80
LOW: Final = 3  # what took no time is still seen
CELL: Final = 14  # from one day to the next
WEEKS: Final = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One execution: `height` says how long it took, `mark` whether a sign of its own stands under it."""

    x: float
    y: float
    height: float
    mark: bool
    execution: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Executions side by side, the newest at the right end; `middle` is where the median lies, None without one."""

    width: int
    height: int
    bars: list[Bar]
    longest_ms: int = 0
    median_ms: int | None = None
    middle: float | None = None

    def shapes(self) -> list[tuple[str, str, str]]:
        """Return (state, path, path of the signs under it): all bars of a state as one, for pages of many."""
        found: dict[str, tuple[list[str], list[str]]] = {}
        for bar in self.bars:
            ticks, signs = found.setdefault(bar.execution["state"], ([], []))
            ticks.append(f"M{bar.x} {bar.y:g}h{BAR}v{bar.height:g}h-{BAR}z")
            if bar.execution["state"] in FAILURES:
                signs.append(f"M{bar.x + 1} {self.height + 3}l4 4m0-4l-4 4")
            elif bar.mark:
                signs.append(f"M{bar.x + 1} {self.height + 5}h4")
        return [(state, "".join(ticks), "".join(signs)) for state, (ticks, signs) in found.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day: `counts` by state; `look` is none, good, mixed or bad; `mark` says that something failed."""

    x: int
    y: int
    day: date
    counts: dict[str, int]
    look: str

    @property
    def next(self) -> date:
        """The day after."""
        return self.day + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A year of weeks, Monday first; `months` are (x, first day) of the columns in which a month begins."""

    width: int
    height: int
    days: list[Day]
    months: list[tuple[int, date]]


def bars(newest_first: Sequence[Document], *, places: int = 20, height: int = BARS_HIGH) -> Bars:
    """Return the last executions {state, duration_ms} as bars for so many places, the tallest of full height."""
    shown = list(reversed(newest_first[:places]))
    lengths = [one["duration_ms"] or 0 for one in shown]
    longest = max(lengths, default=0)
    drawn = []
    for index, (one, length) in enumerate(zip(shown, lengths, strict=True), start=places - len(shown)):
        tall = max(LOW, round(height * length / longest, 1) if longest else LOW)
        drawn.append(
            Bar(x=index * STEP + 1, y=height - tall, height=tall, mark=one["state"] != "succeeded", execution=one)
        )
    usual = usual_ms(newest_first)
    middle = None if usual is None or not longest else round(height - height * min(usual / longest, 1), 1)
    return Bars(width=places * STEP, height=height, bars=drawn, longest_ms=longest, median_ms=usual, middle=middle)


def usual_ms(executions: Iterable[Document]) -> int | None:
    """Return the median duration of those that succeeded; None where none did."""
    lengths = [
        one["duration_ms"] for one in executions if one["state"] == "succeeded" and one["duration_ms"] is not None
    ]
    return round(median(lengths)) if lengths else None


def calendar(tally: Iterable[Document], today: date) -> Calendar:
    """Return the year that ends with the week of `today`, from counts by day and state."""
    by_day: dict[str, dict[str, int]] = {}
    for row in tally:
        by_day.setdefault(row["day"], {})[row["state"]] = row["count"]
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    days = []
    months = []
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        x, y = number // 7 * CELL, number % 7 * CELL
        counts = by_day.get(day.isoformat(), {})
        days.append(Day(x=x, y=y, day=day, counts=counts, look=look(counts)))
        if day.day == 1 and x <= (WEEKS - 2) * CELL:
            months.append((x, day))
    return Calendar(width=WEEKS * CELL, height=7 * CELL, days=days, months=months)


def look(counts: dict[str, int]) -> str:
    """Return how a day with these counts looks; what was skipped says nothing."""
    failed = sum(counts.get(state, 0) for state in FAILURES)
    if failed:
        return "mixed" if counts.get("succeeded") else "bad"
    return "good" if counts.get("succeeded") else "other" if counts.get("stopped") else "none"


def success_rate(tally: Iterable[Document]) -> tuple[int, int]:
    """Return how many of the counted executions succeeded, and how many succeeded or failed."""
    good = failed = 0
    for row in tally:
        if row["state"] == "succeeded":
            good += row["count"]
        elif row["state"] in FAILURES:
            failed += row["count"]
    return good, good + failed


def percent(part: int, whole: int) -> str:
    """Return the share in whole percent, 100 only where nothing is missing."""
    return f"{math.floor(100 * part / whole)}%" if whole else ""
