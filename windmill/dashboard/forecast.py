"""What is going to start, and what ran, as lanes on one stretch of time. Pure: templates draw them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final, NamedTuple

from windmill.core.documents import Document, from_text

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One execution of the stretch and where it lies; one that runs goes on to the end."""

    execution: Document
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """A time in which more is expected to run at once than may; `most` at its height."""

    begin: datetime
    end: datetime
    most: int


class Then(NamedTuple):
    """A job that follows another, and when it starts after the first start of the lane; None where nobody knows."""

    job: str
    at: datetime | None


Times = tuple[datetime, datetime]


def lane(
    job: str,
    starts: Iterable[datetime],
    usual_ms: int | None,
    begin: datetime,
    length: timedelta,
    *,
    drawn: int = DRAWN,
) -> Lane | None:
    """Return the first `drawn` starts of the job from `begin` on, None where none falls into that length of time."""
    found: list[Due] = []
    busy = begin
    for at in islice(starts, drawn + 1):
        if at >= begin + length:
            break
        x = WIDE * ((at - begin) / length)
        takes = timedelta(milliseconds=usual_ms or 0)
        width = min(max(WIDE * (takes / length), THIN), WIDE - x)
        found.append(Due(at=at, x=round(x, 1), width=round(width, 1), late=at < busy))
        busy = max(busy, at) + takes if at >= busy else busy
    if not found:
        return None
    return Lane(job=job, usual_ms=usual_ms, starts=found[:drawn], dense=len(found) > drawn)


def then(lane: Lane, below: Mapping[str, Iterable[Document]], usual: Mapping[str, int | None]) -> list[Then]:
    """Return the jobs that start because that of the lane has ended, near ones first.

    `below` are the jobs right after each, `usual` how long each takes, in milliseconds. When one starts that waits
    for several is not known.
    """
    found: dict[str, Then] = {}
    waiting: list[tuple[str, datetime | None, int | None]] = [(lane.job, lane.starts[0].at, lane.usual_ms)]
    for key, at, takes in waiting:
        end = at + timedelta(milliseconds=takes) if at and takes is not None else None
        for job in below.get(key, ()):
            if job["id"] not in found and job["id"] != lane.job:
                one = found[job["id"]] = Then(job["id"], end if len(job["after"]) == 1 else None)
                waiting.append((one.job, one.at, usual.get(one.job)))
    return list(found.values())


def expected(lanes: Iterable[Lane]) -> list[Times]:
    """Return from when to when each start is expected to run; one that comes due while its job runs has no own."""
    return [
        (due.at, due.at + timedelta(milliseconds=lane.usual_ms or 0))
        for lane in lanes
        for due in lane.starts
        if not due.late
    ]


def crowds(times: Iterable[Times], room: int) -> list[Crowd]:
    """Return, in order, when more than `room` run at once."""
    found: list[Crowd] = []
    begin, most = None, 0
    for at, count in _counts(times):
        if count > room:
            begin, most = begin or at, max(most, count)
        elif begin:
            found.append(Crowd(begin=begin, end=at, most=most))
            begin, most = None, 0
    return found


def busiest(times: Iterable[Times]) -> tuple[int, datetime] | None:
    """Return how many run at once at most, and when that is first so; None where nothing runs."""
    counts = ((count, at) for at, count in _counts(times) if count)
    return max(counts, key=lambda one: one[0], default=None)


def ran(executions: Iterable[Document], begin: datetime, end: datetime) -> dict[str, list[Ran]]:
    """Return by job what started and ran between the instants, in the order in which it is given."""
    lanes: dict[str, list[Ran]] = {}
    for one in executions:
        started, ended = from_text(one["started_at"]), from_text(one["ended_at"]) or end
        if started and started < end and ended >= begin:
            x = WIDE * max((started - begin) / (end - begin), 0)
            width = min(max(WIDE * ((ended - max(started, begin)) / (end - begin)), THIN), WIDE - x)
            lanes.setdefault(one["job"], []).append(Ran(execution=one, x=round(x, 1), width=round(width, 1)))
    return lanes


def _counts(times: Iterable[Times]) -> Iterator[tuple[datetime, int]]:
    """Yield when the number of those that run changes, and to what; who ends makes room before who starts."""
    changes = sorted(change for begin, end in times if end > begin for change in ((begin, 1), (end, -1)))
    count = 0
    for at, these in groupby(changes, key=lambda one: one[0]):
        count += sum(change for _, change in these)
        yield at, count


def hours(begin: datetime, length: timedelta, *, parts: int = 4) -> list[datetime]:
    """Return the instants that divide the stretch into equal parts, both ends included."""
    return [begin + length * number / parts for number in range(parts + 1)]
