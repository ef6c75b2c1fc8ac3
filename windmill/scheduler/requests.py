"""What people ask for, as it lies in the store: request documents become facts about jobs, or answers that refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from windmill.core.definition import RECORDED
from windmill.core.documents import Document, definition_flaw, from_text
from windmill.core.errors import NotFound, WindmillError
from windmill.core.events import Event, PauseRequested, ResumeRequested, RunRequested, StopRequested
from windmill.core.model import Job, Location
from windmill.core.params import bind
from windmill.core.state import Exact, ManualRequest, Pause

PARAMS_MAX: Final = 64 << 10  # bytes of JSON; they travel in every record of the execution
DEFINITION_MAX: Final = 1 << 20  # bytes of JSON; a job's file has at most a quarter of that
WORDS_MAX: Final = 1000  # characters of a note or a person's name

JobOf = Callable[[str], Job | None]
OwnerOf = Callable[[str], str | None]
Reproduce = Callable[[Exact], tuple[Job, Location]]  # raises WindmillError in words where it cannot be


def to_event(request: Document, job_of: JobOf, owner_of: OwnerOf, reproduce: Reproduce) -> tuple[str, Event]:
    """Return the key of the job concerned and the fact; `owner_of` names the job whose open execution has an id.

    `reproduce` makes the job of an earlier execution, and says in words why it cannot be run again. Raises
    WindmillError in words for a request that cannot be understood or names nothing.
    """
    kind, identity, by = str(request.get("kind")), str(request["id"]), str(request.get("by", ""))[:WORDS_MAX]
    if kind == "stop":
        execution = str(request.get("execution", ""))
        owner = owner_of(execution)
        if owner is None:
            raise NotFound(f"execution {execution} is not open")
        return owner, StopRequested(identity, execution, by)
    key = str(request.get("job", ""))
    job = job_of(key)
    if job is None:
        raise NotFound(f"there is no job {key}")
    match kind:
        case "run":
            params, rerun_of = request.get("params") or {}, request.get("rerun_of")
            if not isinstance(params, dict) or not isinstance(rerun_of, str | None):
                raise WindmillError("params must be a mapping, and rerun_of the id of an execution")
            exact = _exact(request, key)
            bound = _bounded(bind(reproduce(exact)[0] if exact else job, params))
            asked = ManualRequest(id=identity, by=by, params=bound, rerun_of=rerun_of, exact=exact)
            return key, RunRequested(asked, wait=bool(request.get("wait")))
        case "pause":
            return key, PauseRequested(
                identity, Pause(until=_until(request), by=by, note=str(request.get("note", ""))[:WORDS_MAX])
            )
        case "resume":
            return key, ResumeRequested(identity)
        case _:
            raise WindmillError(f'a request of kind "{kind}" is not known to this version')


def _exact(request: Document, key: str) -> Exact | None:
    """Return what the request wants to be run instead of the job as it stands, None where that is what it wants."""
    wanted, revision = request.get("definition"), request.get("revision")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or definition_flaw(wanted) or not isinstance(revision, str | None):
        raise WindmillError("definition must be that of an execution, and revision the name of one or nothing")
    if wanted["job"] != key:
        raise WindmillError(f"the definition is that of {wanted['job']}, and not of {key}")
    if len(json.dumps(wanted, default=str)) > DEFINITION_MAX:
        raise WindmillError(f"the definition takes more than {DEFINITION_MAX} bytes")
    return Exact(definition={name: wanted.get(name) for name in RECORDED}, revision=revision)


def _bounded(params: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(params))
    if size > PARAMS_MAX:
        raise WindmillError(f"params take {size} bytes, and {PARAMS_MAX} are the limit", hint="pass a file's name")
    return params


def answer(request: str, *, execution: str = "", refused: str = "") -> Document:
    """Return the request's new state and answer, as it is stored."""
    content: Document = {"execution": execution} if execution else {}
    if refused:
        content["message"] = refused
    return {"id": request, "state": "refused" if refused else "done", "answer": content}


def _until(request: Document) -> datetime | None:
    try:
        until = from_text(request.get("until"))
    except (TypeError, ValueError):
        until = None
        understood = False
    else:
        understood = until is None or until.tzinfo is not None
    if not understood:
        raise WindmillError(f"pause until {request.get('until')}: not an instant with its offset from UTC")
    return until
