"""Executions as plain JSON-ready documents: what the journal carries, the store keeps and the CLI prints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from windmill.core.model import Cause, Execution, State

Document = dict[str, Any]
INSTANTS = ("slot", "coalesced_from", "coalesced_to", "queued_at", "started_at", "ended_at")


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
    }


def from_document(document: Mapping[str, Any]) -> Execution:
    """Return the execution a document describes; keys it does not know are ignored."""
    known = {name: document[name] for name in Execution.__slots__ if name in document}
    for name in INSTANTS:
        known[name] = from_text(known.get(name))
    known["state"] = State(known["state"])
    known["trigger"] = Cause(known["trigger"])
    return Execution(**known)
