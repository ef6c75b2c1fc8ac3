"""Executions as plain JSON-ready documents: what the journal carries, the store keeps and the CLI prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from windmill.core.model import Cause, Execution, State

Document = dict[str, Any]
KEY_MAX = 500  # characters; indexes of some databases hold keys of at most 1024 bytes
INSTANTS = ("slot", "coalesced_from", "coalesced_to", "queued_at", "started_at", "ended_at")

_STATES = frozenset(State)
_WHERE_THERE = ("after", "progress", "facts")  # mappings that most executions have nothing in


def to_text(instant: datetime | None) -> str | None:
    """Return the instant as RFC 3339 text in UTC with milliseconds: 2026-01-01T00:00:00.000Z."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str | None) -> datetime | None:
    """Return the aware UTC instant written by `to_text`."""
    return None if text is None else datetime.fromisoformat(text)


def to_document(execution: Execution) -> Document:
    """Return the execution as a flat document; instants are text (see `to_text`), `id` stays `id`."""
    own = {name: dict(value) for name in _WHERE_THERE if (value := getattr(execution, name))}
    return {
        "id": execution.id,
        "job": execution.job,
        "state": str(execution.state),
        "reason": execution.reason,
        "trigger": str(execution.trigger),
        "slot": to_text(execution.slot),
        "coalesced": execution.coalesced,
        "coalesced_from": to_text(execution.coalesced_from),
        "coalesced_to": to_text(execution.coalesced_to),
        "queued_at": to_text(execution.queued_at),
        "started_at": to_text(execution.started_at),
        "ended_at": to_text(execution.ended_at),
        "exit_code": execution.exit_code,
        "signal": execution.signal,
        "attempt": execution.attempt,
        "retry_of": execution.retry_of,
        "revision": execution.revision,
        "author": execution.author,
        "subject": execution.subject,
        "job_digest": execution.job_digest,
        "params": dict(execution.params),
        "requested_by": execution.requested_by,
        "output_bytes": execution.output_bytes,
        "cut_bytes": execution.cut_bytes,
        "pid": execution.pid,
    } | own


def from_document(document: Mapping[str, Any]) -> Execution:
    """Return the execution a document describes; keys it does not know are ignored."""
    known = {name: document[name] for name in Execution.__slots__ if name in document}
    for name in INSTANTS:
        known[name] = from_text(known.get(name))
    known["state"] = State(known["state"])
    known["trigger"] = Cause(known["trigger"])
    return Execution(**known)


def flaw(document: Mapping[str, Any]) -> str | None:
    """Return in words why no store can keep the document as an execution, None where nothing speaks against it."""
    if found := _no_key(document, "id", "job", "state", "trigger", "queued_at"):
        return found
    if document["state"] not in _STATES:
        return "state is none of " + ", ".join(sorted(_STATES))
    return _no_instant(document, INSTANTS)


def definition_flaw(document: Mapping[str, Any]) -> str | None:
    """Return in words why no store can keep the document as a definition, None where nothing speaks against it."""
    if found := _no_key(document, "id", "job", "seen_at"):
        return found
    if not isinstance(document.get("document"), dict):
        return "document is no mapping"
    return _no_instant(document, ["seen_at"])


def _no_key(document: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = document.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= KEY_MAX:
            return f"{name} is not a text of 1 to {KEY_MAX} characters"
    return None


def _no_instant(document: Mapping[str, Any], names: Iterable[str]) -> str | None:
    try:
        naive = [name for name in names if (at := from_text(document.get(name))) and at.tzinfo is None]
    except (TypeError, ValueError) as error:
        return f"an instant is not as it should be: {error}"
    return f"{naive[0]} names no zone" if naive else None
