"""What programs ask of the scheduler. Each wish is a request in the store: 202 says that it is there, and where."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

from apiflask import APIBlueprint, HTTPError
from flask import url_for
from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from windmill.core import wishes
from windmill.core.documents import Document
from windmill.core.errors import NotFound, WindmillError
from windmill.core.model import TERMINAL, is_system
from windmill.core.params import checked, declared
from windmill.dashboard.api import models
from windmill.dashboard.api.edge import NOTE_MAX, Body, Idempotency, Responses, job_named, mistaken
from windmill.dashboard.api.projects import project_named
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.gate import viewer
from windmill.dashboard.output import find
from windmill.dashboard.projects import IN_PLACE
from windmill.dashboard.wishes import ask, outcome

blueprint = APIBlueprint("acts", __name__, tag="Acts")

WHOLE: Final = 2**63  # numbers of a store are smaller
Name = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
EXACT: Final = 2**53  # below it every whole number is one of JSON's numbers


def _whole(value: str | float) -> str | float:
    """Return 1 for 1.0, which to JSON are the same."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


Value = Annotated[
    StrictBool
    | Annotated[StrictInt, Field(ge=-WHOLE, lt=WHOLE)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[StrictStr, StringConstraints(max_length=10_000)],
    Field(union_mode="left_to_right"),
    AfterValidator(_whole),
]
_ACCEPTED: Final[Responses] = {
    202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Of the execution, or the request."}}}
}
_BUSY: Final[Responses] = {
    **_ACCEPTED,
    409: "It is refused as things stand; `detail.execution` is what is in the way",
}


class Run(Body):
    """What to start the job with."""

    params: dict[Name, Value] = Field(
        default={},
        max_length=100,
        json_schema_extra={"additionalProperties": False},
        description="Values of its params; the others keep their defaults.",
    )
    wait: bool = Field(default=False, description="Start it once what runs has ended, instead of being refused.")


class Pause(Body):
    """For how long, and why."""

    until: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="A duration such as 2h, or a time; left out: until it is resumed."
    )
    note: Annotated[str, StringConstraints(max_length=NOTE_MAX)] = ""


class Sync(Body):
    """How."""

    accept: bool = Field(
        default=False, description="Publish also a revision that removes most of the project's jobs."
    )


class Rerun(Body):
    """What to run again."""

    head: bool = Field(
        default=False, description="The job as it stands now, instead of the revision and definition of then."
    )


@blueprint.post("/projects/<project>/jobs/<name>/executions")
@blueprint.input(Idempotency, location="headers", arg_name="headers")
@blueprint.input(Run, arg_name="body")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="runJob", responses=_BUSY)
def run(project: str, name: str, headers: Idempotency, body: Run) -> Any:
    """Run a job now.

    With the same `Idempotency-Key` it is started once, however often this is sent.
    """
    job = job_named(project, name)
    if job["deleted"]:
        raise HTTPError(409, f"{job['id']} is gone: its file was removed.")
    _, mistakes = checked(declared(job), body.params)
    if mistakes:
        detail = {"json": {f"params.{param}": [sentence] for param, sentence in mistakes.items()}}
        raise HTTPError(422, "\n".join(mistakes.values()), detail=detail)
    return _wish(wishes.run(job["id"], body.params, wait=body.wait), headers.idempotency_key)


@blueprint.post("/projects/<project>/jobs/<name>/pause")
@blueprint.input(Pause, arg_name="body")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="pauseJob", responses=_BUSY)
def pause(project: str, name: str, body: Pause) -> Any:
    """Hold a job's schedule: every slot that comes due meanwhile is recorded as skipped."""
    return _wish(wishes.pause(job_named(project, name)["id"], _until(body.until), body.note))


@blueprint.delete("/projects/<project>/jobs/<name>/pause")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="resumeJob", responses=_BUSY)
def resume(project: str, name: str) -> Any:
    """End a job's pause now."""
    return _wish({"kind": "resume", "job": job_named(project, name)["id"]})


@blueprint.post("/projects/<project>/sync")
@blueprint.input(Sync, arg_name="body")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="syncProject", responses=_BUSY)
def sync(project: str, body: Sync) -> Any:
    """Bring a project up to date now."""
    if project_named(project)["sync"] == IN_PLACE:
        raise HTTPError(409, f"{project} is used in place: there is nothing to sync.")
    return _wish(wishes.sync(project, accept=body.accept))


@blueprint.post("/executions/<identity>/stop")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="stopExecution", responses=_BUSY)
def stop(identity: str) -> Any:
    """Stop an execution."""
    execution = find(identity)
    if execution["state"] in TERMINAL:
        raise HTTPError(409, f"It has ended already: {execution['state']}.", detail={"state": execution["state"]})
    return _wish({"kind": "stop", "job": execution["job"], "execution": identity})


@blueprint.post("/executions/<identity>/rerun")
@blueprint.input(Idempotency, location="headers", arg_name="headers")
@blueprint.input(Rerun, arg_name="body")
@blueprint.output(models.Wish, 202)
@blueprint.doc(operation_id="rerunExecution", responses=_BUSY)
def rerun(identity: str, headers: Idempotency, body: Rerun) -> Any:
    """Run again exactly what an execution ran, or its job as it stands now."""
    execution = find(identity)
    if body.head or is_system(execution["job"]):
        return _wish(wishes.rerun(execution), headers.idempotency_key)
    wanted = wishes.rerun_exactly(execution, store().definition(execution["job_digest"]))
    if missing := _missing(execution):
        message = f"Revision {missing} is not on disk. POST to rerun with head, or run windmill rerun {identity}."
        raise HTTPError(409, message, detail={"revision": missing})
    return _wish(wanted, headers.idempotency_key)


def _missing(execution: Document) -> str:
    try:
        return facts().missing(execution)
    except NotFound as error:
        raise HTTPError(409, error.message) from None


def _until(text: str | None) -> datetime | None:
    try:
        return facts().until(text, now()) if text else None
    except WindmillError as error:
        raise mistaken("json", "until", error.message) from None


def _wish(asked: Document, key: str | None = None) -> Any:
    """Return the wish as it lies in the store, and its place. Raises HTTPError 409 where it was refused."""
    known = ask(**asked, via="api", identity=_identity(asked["job"], key))
    known = outcome(known["id"]) or known
    answer = known.get("answer") or {}
    execution = answer.get("execution")
    if known["state"] == "refused":
        detail = {"request": known["id"]} | ({"execution": execution} if execution else {})
        raise HTTPError(409, answer.get("message") or "The scheduler refused without a reason.", detail=detail)
    if execution:
        return known, 202, {"Location": url_for("api.executions.one", identity=execution)}
    return known, 202, {"Location": url_for("api.audit.one", wish=known["id"])}


def _identity(job: str, key: str | None) -> str:
    """Return what names the wish: always the same for a viewer, job and key; "" without a key."""
    return sha256(f"{viewer().name}\0{job}\0{key}".encode()).hexdigest()[:32] if key else ""
