"""Signs for pages, and pictures in words. What it returns is text, which templates escape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from flask_babel import gettext

from windmill.dashboard import words
from windmill.dashboard.words import state_word, why

__all__ = ["glyph", "state_word", "summary", "took", "why"]

# A state is told by word and sign, so that nobody needs to see the colour.
GLYPHS: Final = {
    "queued": "…",
    "running": "▶",
    "succeeded": "✓",
    "failed": "✕",
    "timed_out": "◷",
    "stopped": "■",
    "lost": "?",
    "skipped": "–",
    "never": "○",
    "paused": "‖",
    "disabled": "–",
    "stale": "✕",
    "deleted": "–",
}


def glyph(state: str) -> str:
    """Return the sign that stands for the state."""
    return GLYPHS.get(state, "")


def took(milliseconds: int) -> str:
    """Return in words how long something took."""
    return words.span(timedelta(milliseconds=milliseconds))


def summary(states: Iterable[str]) -> str:
    """Return how many of each state there are, in words, for those who do not see the picture."""
    counts = Counter(states)
    return ", ".join(f"{count} {state_word(state)}" for state, count in counts.most_common()) or gettext("nothing")
