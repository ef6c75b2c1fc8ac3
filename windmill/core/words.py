"""States, durations and distances in time in the words people see, on pages and in tables alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

STATE_WORDS: Final = {
    "queued": "Scheduled",
    "running": "Running",
    "succeeded": "Success",
    "failed": "Failed",
    "timed_out": "Timed out",
    "stopped": "Stopped",
    "lost": "Lost",
    "skipped": "Skipped",
}


def span(length: timedelta) -> str:
    """Return a duration in at most two units: 340 ms, 12 s, 3 min 20 s, 2 h 5 min, 4 d 1 h."""
    milliseconds = round(length / timedelta(milliseconds=1))
    if milliseconds < 10_000:  # noqa: PLR2004 - below ten seconds the decimals are worth reading
        return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"  # noqa: PLR2004
    rest = milliseconds // 1000
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts[:2]))


def relative(instant: datetime, now: datetime) -> str:
    """Return how far the instant lies from `now`: "in 5 min", "20 s ago", "now"."""
    distance = instant - now
    if abs(distance) < timedelta(seconds=1):
        return "now"
    words = span(timedelta(seconds=round(abs(distance).total_seconds())))
    return f"in {words}" if distance > timedelta(0) else f"{words} ago"
