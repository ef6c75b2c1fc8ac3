"""Execution documents to write, numbered."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from windmill.core.documents import Document, to_document
from windmill.core.model import TERMINAL, Cause, Execution, State

START = datetime(2026, 1, 1, tzinfo=UTC)


def identity(number: int) -> str:
    """Return the id of execution `number`."""
    return hashlib.blake2b(str(number).encode(), digest_size=8).hexdigest()


def document(number: int, state: State = State.SUCCEEDED, *, seconds: float = 1.0, **facts: Any) -> Document:
    """Return the document of execution `number`: queued at START + number seconds, ended `seconds` after its start.

    Instants are cut to whole milliseconds, as everywhere.
    """
    queued = facts.setdefault("queued_at", START + timedelta(seconds=number))
    if state is not State.QUEUED:
        facts.setdefault("started_at", queued)
    if state in TERMINAL:
        facts.setdefault("ended_at", queued + timedelta(seconds=seconds))
    facts = {name: _whole(value) for name, value in facts.items()}
    facts["trigger"] = Cause(facts.get("trigger", Cause.SCHEDULE))
    facts.setdefault("job", "p/job")
    return to_document(Execution(id=identity(number), state=state, **facts))


def _whole(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
