"""A job's definition as a plain document: what the store keeps of it and people are shown."""

from __future__ import annotations

from windmill.core.documents import Document
from windmill.core.explain import in_words
from windmill.core.model import Job, is_system


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
        "schedule_words": in_words(job.schedule) if job.schedule else "manual only",
        "document": dict(job.document),
        "file": job.file,
        "line": job.line,
        "digest": job.digest,
        "keep": {"days": job.keep.days, "runs": job.keep.runs},
        "inactive": list(job.inactive),
        "stale": stale,
        "deleted": False,
        "removed": None,
        "system": is_system(job.key),
    }
