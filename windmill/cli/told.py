"""What an execution told of itself, and what its failure has in common with others, in words. Pure."""

from __future__ import annotations

from datetime import datetime

from windmill.cli.text import one_line, relative
from windmill.core.documents import Document, from_text


def progress(execution: Document) -> str:
    """Return how far it tells that it is, "" where it tells nothing: "40% reading orders"."""
    told = execution.get("progress")
    return one_line(f"{told['value']:.0%} {told['text']}", width=40).rstrip() if told else ""


def named(values: Document) -> str:
    """Return values by their names: "rows=12, file=a.csv"."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def cause(execution: Document) -> str:
    """Return why it failed, and the fingerprint of that, "" where it is not known."""
    failure = execution.get("failure")
    if not failure:
        return ""
    where = f" at {failure['where']}" if failure["where"] else ""
    return f"{failure['exception']}{where} ({failure['fingerprint']})"


def alike(count: int, first: Document, now: datetime) -> str:
    """Return for the how-manieth time it failed so: "time 12, first 3 d ago at main@3f2a91c Read it (1f2e3d...)"."""
    if count == 1:
        return "for the first time"
    at = from_text(first["queued_at"])
    ref, _, commit = (first.get("revision") or "").rpartition("@sha1:")
    code = f" at {ref}@{commit[:7]} {first.get('subject') or ''}".rstrip() if ref else ""
    return f"time {count}, first {relative(at, now) if at else ''}{code} ({first['id']})"
