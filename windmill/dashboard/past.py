"""What a job's executions come to: by windows of days, and since each change of what they ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from math import ceil

from windmill.core.documents import Document, from_text
from windmill.dashboard.charts import percent, success_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last `days`, today included, in UTC: how many ran and how many of them went well, and how long they took.

    `p50_ms` and `p95_ms` are of those that succeeded, `gap` is the longest time between two starts that did; None
    where there are none, or where not everything of the window is known.
    """

    days: int
    executions: int
    rate: str
    failed: int
    p50_ms: int | None
    p95_ms: int | None
    gap: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Executions in a row that ran the same revision by the same definition; `first` is the oldest of them."""

    first: Document
    count: int
    defined: bool  # the definition is another one than before
    moved: bool  # the revision is


def window(tally: Iterable[Document], recent: Sequence[Document], days: int, now: datetime) -> Window:
    """Return what the counts by day and the executions {state, queued_at, duration_ms}, newest first, come to."""
    first = (now.date() - timedelta(days=days - 1)).isoformat()
    rows = [row for row in tally if row["day"] >= first]
    good, whole = success_rate(rows)
    went_well = [one for one in recent if one["state"] == "succeeded" and one["queued_at"] >= first]
    lengths = sorted(one["duration_ms"] for one in went_well if one["duration_ms"] is not None)
    return Window(
        days=days,
        executions=sum(row["count"] for row in rows if row["state"] != "skipped"),
        rate=percent(good, whole),
        failed=whole - good,
        p50_ms=percentile(lengths, 50),
        p95_ms=percentile(lengths, 95),
        gap=_longest_gap(went_well) if good == len(went_well) else None,
    )


def percentile(ordered: Sequence[int], share: int) -> int | None:
    """Return the smallest value that so many percent of the values do not exceed, None of none."""
    return ordered[max(ceil(len(ordered) * share / 100), 1) - 1] if ordered else None


def changes(newest_first: Iterable[Document]) -> list[Change]:
    """Return how what ran has changed, newest first; the oldest run of executions began with a change or before."""
    started = (one for one in newest_first if one["started_at"])
    runs = [list(run) for _, run in groupby(started, lambda one: (one["job_digest"], one["revision"]))]
    found = []
    for run, before in pairwise([*runs, None]):
        if run is not None:
            old = before[0] if before else run[0]
            found.append(
                Change(
                    first=run[-1],
                    count=len(run),
                    defined=run[0]["job_digest"] != old["job_digest"],
                    moved=run[0]["revision"] != old["revision"],
                )
            )
    return found


def _longest_gap(newest_first: Sequence[Document]) -> timedelta | None:
    starts = [at for one in newest_first if (at := from_text(one["queued_at"]))]
    return max((later - earlier for later, earlier in pairwise(starts)), default=None)
