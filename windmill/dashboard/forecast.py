"""What is going to start, as lanes on one stretch of time. Pure: templates draw them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

WIDE: Final = 1000  # units of a lane, whatever its stretch of time
THIN: Final = 3  # what takes no time is still seen
DRAWN: Final = 200  # starts of one lane; what is due more often is drawn as one band


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One start: where it lies, and whether the one before is then still expected to run."""

    at: datetime
    x: float
    width: float
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The starts of one job in order, at least one; `dense` says that there are more than are drawn."""

    job: str
    usual_ms: int | None
    starts: list[Due]
    dense: bool


def lane(
    job: str, starts: Iterable[datetime], usual_ms: int | None, begin: datetime, length: timedelta
) -> Lane | None:
    """Return the job's starts from `begin` on, None where none falls into that length of time."""
    found: list[Due] = []
    busy = begin
    for at in islice(starts, DRAWN + 1):
        if at >= begin + length:
            break
        x = WIDE * ((at - begin) / length)
        takes = timedelta(milliseconds=usual_ms or 0)
        width = min(max(WIDE * (takes / length), THIN), WIDE - x)
        found.append(Due(at=at, x=round(x, 1), width=round(width, 1), late=at < busy))
        busy = max(busy, at) + takes if at >= busy else busy
    if not found:
        return None
    return Lane(job=job, usual_ms=usual_ms, starts=found[:DRAWN], dense=len(found) > DRAWN)


def hours(begin: datetime, length: timedelta, *, parts: int = 4) -> list[datetime]:
    """Return the instants that divide the stretch into equal parts, both ends included."""
    return [begin + length * number / parts for number in range(parts + 1)]
