"""A job's definition as a plain document: what the store keeps of it and people are shown."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Final

from windmill.core.documents import Document, to_text
from windmill.core.explain import in_words
from windmill.core.model import Expect, Job, is_system

RECORDED: Final = ("id", "job", "document", "file", "line", "seen_at")  # what `recorded` returns


def recorded(job: Job, now: datetime) -> Document:
    """Return what an execution that starts now runs with, as `core.ports.Store.definition` gives it back."""
    return {
        "id": job.digest,
        "job": job.key,
        "document": dict(job.complete),
        "file": job.file,
        "line": job.line,
        "seen_at": to_text(now),
    }


def definition(job: Job, *, stale: bool) -> Document:
    """Return the job as a JSON-ready document; `stale` says that its last good version stands in for its file."""
    return {
        "id": job.key,
        "project": job.project,
        "name": job.name,
        "description": job.description,
        "owner": job.owner,
        "labels": dict(job.labels),
        "enabled": job.enabled,
        "entry_point": job.entry_point,
        "params": [asdict(param) | {"enum": list(param.enum)} for param in job.params],
        "schedule_words": _when(job),
        "after": [{"job": above.job, "when": str(above.when)} for above in job.after],
        "group": job.group,
        "priority": job.priority,
        "document": dict(job.document),
        "file": job.file,
        "line": job.line,
        "digest": job.digest,
        "keep": {"days": job.keep.days, "runs": job.keep.runs},
        "expect": _expect(job.expect),
        "notify": {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(job.notify).items()
        },
        "retry": {"limit": job.retry.limit, "exit_codes": list(job.retry.exit_codes)},
        "stale": stale,
        "deleted": False,
        "removed": None,
        "system": is_system(job.key),
    }


def _expect(expect: Expect) -> Document:
    """Return what is normal for a job; durations are seconds."""
    spans = {name: getattr(expect, name) for name in ("late_after", "max_age")}
    seconds = {name: None if span is None else span.total_seconds() for name, span in spans.items()}
    return seconds | {"slower_than": expect.slower_than}


def _when(job: Job) -> str:
    """Return in words when the job starts by itself."""
    timed = in_words(job.schedule) if job.schedule else ""
    if not job.after:
        return timed or "manual only"
    above = " and ".join(above.job for above in job.after)
    return f"{timed}, after {above}" if timed else f"after {above}"
