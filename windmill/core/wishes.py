"""What is asked of the scheduler, as request documents: one form for terminals, pages and programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document, to_text
from windmill.core.errors import Refused
from windmill.core.model import SYNC, State, is_system

VIAS: Final = ("cli", "dashboard", "api", "webhook")  # the ways by which wishes come
IDENTITY: Final = re.compile(r"[0-9a-f]{32}")
HEAD: Final = "windmill rerun --head runs the job as it stands now"


def wish(kind: str, *, identity: str, by: str, via: str, at: datetime, address: str = "", **facts: Any) -> Document:
    """Return the pending request: who (`by`) asks for what, when, by which of VIAS and from which address.

    The same identity twice is one request. `facts` are what the other functions here return, or those of a kind.
    """
    asked = {"id": identity, "kind": kind, **facts, "by": by, "via": via, "address": address}
    return {**asked, "at": to_text(at), "state": "pending"}


def run(job: str, params: Mapping[str, Any], *, wait: bool = False) -> Document:
    """Return what asks for a start of the job now; `wait` for one that comes after what runs."""
    return {"kind": "run", "job": job, "params": dict(params), "wait": wait}


def sync(project: str, *, accept: bool = False) -> Document:
    """Return what asks for a sync of the project; `accept` publishes also what removes most of its jobs."""
    return run(f"{project}/{SYNC}", {"accept": accept}, wait=True)


def provide(project: str, revision: str) -> Document:
    """Return what asks for a revision, by its key, to be made available again."""
    return run(f"{project}/{SYNC}", {"revision": revision}, wait=True)


def pause(job: str, until: datetime | None, note: str) -> Document:
    """Return what asks for the job's schedule to be held. Raises Refused for a sync."""
    if is_system(job):
        project = job.rpartition("/")[0]
        hint = f"in [projects.{project}] of windmill.toml, ref says what it follows, and poll how often it looks"
        raise Refused(f"{job} is a sync, which cannot be paused", hint=hint)
    return {"kind": "pause", "job": job, "until": to_text(until), "note": note}


def rerun(execution: Document) -> Document:
    """Return what asks for the job of the execution as it stands now, with the params of then."""
    return run(execution["job"], execution["params"]) | {"rerun_of": execution["id"]}


def rerun_exactly(execution: Document, definition: Document | None) -> Document:
    """Return what asks for the revision, definition and params of then; of a sync, for one more sync.

    `definition` is what the store keeps of the execution's `job_digest`. Raises Refused where nothing was started
    or the definition is not kept.
    """
    if is_system(execution["job"]):
        return rerun(execution)
    if execution["state"] in (State.QUEUED, State.SKIPPED):
        raise Refused(f"{execution['id']} was never started: there is nothing to run again", hint=HEAD)
    if definition is None:
        raise Refused(f"the definition that {execution['id']} ran with is not kept", hint=HEAD)
    return rerun(execution) | {"definition": definition, "revision": execution["revision"]}
