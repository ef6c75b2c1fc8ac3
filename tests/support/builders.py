"""Documents as the store holds them, complete; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from windmill.core.documents import Document, to_document
from windmill.core.model import Cause, Execution, State

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_execution(**changes: Any) -> Document:
    """Return the document of an execution of p/hello that succeeded at noon; ids are `f"{number:016x}"`."""
    facts: dict[str, Any] = {
        "id": "0" * 15 + "1",
        "job": "p/hello",
        "state": State.SUCCEEDED,
        "trigger": Cause.SCHEDULE,
        "slot": NOON,
        "queued_at": NOON,
        "started_at": NOON,
        "ended_at": NOON.replace(second=2),
        "exit_code": 0,
    }
    return to_document(Execution(**(facts | changes)))


def a_running_execution(**changes: Any) -> Document:
    """Return the document of an execution of p/hello that began at noon."""
    return an_execution(**({"state": State.RUNNING, "ended_at": None, "exit_code": None} | changes))


def a_job(**changes: Any) -> Document:
    """Return the document of the job p/hello, due every hour."""
    facts: Document = {
        "id": "p/hello",
        "project": "p",
        "name": "hello",
        "description": "Says hello",
        "owner": "",
        "labels": {},
        "enabled": True,
        "entry_point": "hello.py",
        "schedule_words": "every 1 h",
        "document": {"name": "hello", "project": "p", "entry_point": "hello.py", "schedule": {"interval": "1h"}},
        "file": "jobs.d/hello.yaml",
        "line": 1,
        "digest": "d",
        "keep": {"days": 90, "runs": None},
        "stale": False,
        "deleted": False,
        "first_seen": "2026-01-01T00:00:00.000Z",
        "covered": "2026-01-01T00:00:00.000Z",
        "runs": 0,
        "paused": None,
    }
    if "id" in changes:
        facts["project"], _, facts["name"] = changes["id"].partition("/")
    return facts | changes
