"""Words for people, and text made safe for a terminal. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final

from windmill.core.words import STATE_WORDS, relative, span

__all__ = [
    "STATE_STYLES",
    "UNSAFE",
    "clean",
    "clean_lines",
    "count",
    "local",
    "one_line",
    "relative",
    "size",
    "span",
    "state_word",
]

# C0 and C1 controls, DEL, and the marks that reorder the text around them.
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
STATE_STYLES: Final = {
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "lost": "red",
    "stopped": "yellow",
    "queued": "yellow",
    "skipped": "dim",
}


def clean(text: object) -> str:
    """Return the text on one line without anything that could steer a terminal.

    White space becomes a blank, any other control or reordering character U+FFFD, so that it shows.
    """
    return UNSAFE.sub(lambda match: " " if match[0] in "\t\n\r\v\f" else "\N{REPLACEMENT CHARACTER}", str(text))


def clean_lines(text: str) -> str:
    """Return the text with its line ends kept and every line made safe by `clean`."""
    return "\n".join(clean(line) for line in text.split("\n"))


def one_line(text: str, *, width: int = 60) -> str:
    """Return the first line of the text, made safe, cut to `width` characters."""
    first = clean(text.strip().split("\n", 1)[0])
    return first if len(first) <= width else first[: width - 1] + "…"


def local(instant: datetime, zone: tzinfo = UTC) -> str:
    """Return the instant as read on a wall clock of the zone: 2026-01-01 05:00:00 Europe/Madrid."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone}"


def state_word(state: str) -> str:
    """Return the state in the words people see; an unknown one is shown as it is."""
    return STATE_WORDS.get(state, clean(state))


def count(number: int, word: str) -> str:
    """Return "1 job", "2 jobs"."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def size(length: int) -> str:
    """Return a number of bytes in the largest fitting binary unit: 512 B, 1.5 KiB, 10.0 MiB."""
    if length < 1024:  # noqa: PLR2004
        return f"{length} B"
    value = float(length)
    for unit in ("KiB", "MiB", "GiB"):  # noqa: B007 - the last unit stays for larger values
        value /= 1024
        if value < 1024:  # noqa: PLR2004
            break
    return f"{value:.1f} {unit}"
