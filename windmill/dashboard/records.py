"""An execution as pages tell it: how it ended and why, when and how long, at which revision. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from babel.numbers import get_decimal_symbol

from windmill.core.documents import Document, from_text
from windmill.dashboard.present import why
from windmill.dashboard.words import locale, relative, span, trigger_word

DIGITS: Final = 12  # of a commit or hash, which people compare
_KIB: Final = 1024


def told(execution: Document, now: datetime) -> Document:
    """Return the document with `at` (the instant it is known by), `since`, `took`, `why`, `by` and `short`.

    `took` is "" for one that never started; of one that runs it is how long it has.
    """
    at = from_text(execution["started_at"] or execution["queued_at"]) or now
    ended = from_text(execution["ended_at"])
    took = span(max((ended or now) - at, timedelta(0))) if execution["started_at"] else ""
    by = trigger_word(execution["trigger"])
    return execution | {
        "at": execution["started_at"] or execution["queued_at"],
        "since": relative(at, now),
        "took": took,
        "why": why(execution),
        "by": f"{by}, {execution['requested_by']}" if execution.get("requested_by") else by,
        "short": short(execution.get("revision") or ""),
    }


def clock(instant: str) -> str:
    """Return the instant as people read it: 2026-01-31 06:00:00 UTC."""
    return f"{instant[:19].replace('T', ' ')} UTC"


def short(revision: str) -> str:
    """Return the revision with its hash cut: main@3f2a91c0d4e5."""
    name, _, digest = revision.rpartition(":")
    return f"{name.removesuffix('@sha1')}@{digest[:DIGITS]}" if digest and name else revision


def lasting(length: timedelta) -> str:
    """Return a duration that nobody needs to the millisecond."""
    return span(timedelta(seconds=round(length.total_seconds())) if length >= timedelta(seconds=1) else length)


def written(at: int) -> str:
    """Return when a line was written, given in milliseconds since the epoch: 06:00:00.250, in UTC."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M:%S.%f}"[:12]


def size(length: int) -> str:
    """Return a number of bytes in the largest fitting binary unit: 512 B, 1.5 KiB, 10.0 MiB."""
    value, unit = float(length), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):  # noqa: B007 - the last unit stays for larger values
        if value < _KIB:
            break
        value /= _KIB
    if length < _KIB:
        return f"{length} B"
    return f"{value:.1f} {unit}".replace(".", get_decimal_symbol(locale()))
