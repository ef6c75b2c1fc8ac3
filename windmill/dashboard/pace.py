"""How long an execution takes, beside what is usual for its job. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from windmill.core.documents import Document

USUAL_FROM: Final = 3  # successes before a duration is called usual
SLOWER_FROM: Final = 1.5  # times what is usual
NOTABLE: Final = timedelta(seconds=5)  # what takes only so much longer is not called slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`share` of the usual time that is over, 0 to 1; `left` of it; `times` slower than usual, 0 where it is not."""

    usual: timedelta
    share: float
    left: timedelta
    times: float


def usual(recent: Iterable[Document]) -> timedelta | None:
    """Return the median duration of the successes among these, None where they are too few to say."""
    lengths = [one["duration_ms"] for one in recent if one["state"] == "succeeded" and one["duration_ms"] is not None]
    return timedelta(milliseconds=statistics.median(lengths)) if len(lengths) >= USUAL_FROM else None


def pace(taken: timedelta, expected: timedelta) -> Pace:
    """Return how far an execution is that has taken so long, where it is expected to take so long."""
    slow = taken >= SLOWER_FROM * expected and taken - expected >= NOTABLE
    return Pace(
        usual=expected,
        share=min(taken / expected, 1.0) if expected else 1.0,
        left=max(expected - taken, timedelta(0)),
        times=round(taken / expected, 1) if slow and expected else 0,
    )
