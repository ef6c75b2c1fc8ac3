"""Words for pages. Pure: what it returns is text, which templates escape."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from windmill.core.documents import Document

# Told by word and sign, so that nobody needs to see the colour.
STATES: Final = {
    "queued": ("Scheduled", "…"),
    "running": ("Running", "▶"),
    "succeeded": ("Success", "✓"),
    "failed": ("Failed", "✕"),
    "timed_out": ("Timed out", "⧖"),
    "stopped": ("Stopped", "■"),
    "lost": ("Lost", "?"),
    "skipped": ("Skipped", "–"),
}
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def state_word(state: str) -> str:
    """Return the state as it is called on pages."""
    return STATES.get(state, (state, ""))[0]


def glyph(state: str) -> str:
    """Return the sign that stands for the state."""
    return STATES.get(state, ("", ""))[1]


def span(length: timedelta) -> str:
    """Return a duration in at most two units: 0 s, 12 s, 3 min 20 s, 2 h 5 min, 4 d 1 h."""
    rest, parts = max(int(length.total_seconds()), 0), list[tuple[int, str]]()
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def ago(length: timedelta) -> str:
    """Return how long ago something was."""
    return f"{span(length)} ago"


def ahead(length: timedelta) -> str:
    """Return how far ahead something is."""
    return f"in {span(length)}"


def why(execution: Document) -> str:
    """Return in a few words how an execution ended, "" for one that went well."""
    if execution["reason"]:
        return str(execution["reason"])
    if execution["signal"]:
        return str(execution["signal"])
    return f"exit code {execution['exit_code']}" if execution["exit_code"] else ""
