"""The only reader of the wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Return the present instant in UTC, in whole milliseconds, rounded down."""
    return EPOCH + timedelta(milliseconds=time.time_ns() // 1_000_000)


def to_ms(instant: datetime) -> int:
    """Return the instant as milliseconds since the epoch."""
    return (instant - EPOCH) // timedelta(milliseconds=1)
