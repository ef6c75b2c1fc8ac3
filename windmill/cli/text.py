"""Words for people, and text made safe for a terminal. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

# C0 and C1 controls, DEL, and the marks that reorder the text around them.
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
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
