"""Words and signs for pages. Pure: what it returns is text, which templates escape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from windmill.core.documents import Document
from windmill.core.words import STATE_WORDS, span

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
}
_EXIT_CODE: Final = "exit_code"  # as a reason; the number beside it says more


def state_word(state: str) -> str:
    """Return the state as it is called on pages; an unknown one is shown as it is."""
    return STATE_WORDS.get(state, state)


def glyph(state: str) -> str:
    """Return the sign that stands for the state."""
    return GLYPHS.get(state, "")


def why(execution: Document) -> str:
    """Return in a few words how an execution ended, "" for one that went well."""
    reason = str(execution["reason"])
    if not reason.startswith(_EXIT_CODE):
        return reason
    return f"exit code {execution['exit_code']}{reason.removeprefix(_EXIT_CODE)}"


def took(milliseconds: int) -> str:
    """Return in words how long something took."""
    return span(timedelta(milliseconds=milliseconds))


def summary(states: Iterable[str]) -> str:
    """Return how many of each state there are, in words, for those who do not see the picture."""
    counts = Counter(states)
    return ", ".join(f"{count} {state_word(state)}" for state, count in counts.most_common()) or "nothing"
