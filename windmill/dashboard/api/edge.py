"""What comes in, typed at the edge: no part of an address or a body reaches the store as anything but a value."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, get_origin

from apiflask import HTTPError
from flask import request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from windmill.core.documents import Document
from windmill.dashboard.context import store

PAGE: Final = 50
PAGE_MAX: Final = 200
NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"  # of a project or a job
EXECUTION: Final = "[0-9a-f]{16}"
WISH: Final = "[0-9a-f]{32}"
NOTE_MAX: Final = 1000  # characters
PATHS: Final = {"project": NAME, "name": NAME, "identity": EXECUTION, "wish": WISH}  # by name of a part of a path

Responses = dict[int | str, Any]  # by status, what the contract says of it
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX, description="How many at most.")]
Text = Annotated[str, StringConstraints(max_length=500)]
Flag = Literal["0", "1"]


class Query(BaseModel):
    """The part of an address after `?`: a name that is not known is a mistake, as it would restrict nothing."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _every_value(cls, given: Any) -> Any:
        """Take every value of a name that may stand there again; of the others APIFlask passes on the first."""
        repeated = [name for name, field in cls.model_fields.items() if get_origin(field.annotation) is list]
        return {**given, **{name: request.args.getlist(name) for name in repeated if name in given}}


class Paged(Query):
    """Which page."""

    cursor: Text = Field(default="", description="`next` of the page before.")
    limit: Limit = PAGE


class Body(BaseModel):
    """What is sent as JSON; nothing at all counts as {}."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Idempotency(BaseModel):
    """A request with the same key, viewer and job as one before is that one."""

    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = Field(
        default=None, description="1 to 200 visible ASCII characters of your choice."
    )


def job_named(project: str, name: str) -> Document:
    """Return the job, also one whose file is gone. Raises HTTPError 404."""
    key = f"{project}/{name}"
    known = store().job(key)
    if known is None or "document" not in known or known.get("system"):
        raise HTTPError(404, f"There is no job {key}.")
    return known


def matches(pattern: str, text: str) -> bool:
    """Return whether the whole text is of that form."""
    return re.fullmatch(pattern, text) is not None


def mistaken(place: str, name: str, *sentences: str) -> HTTPError:
    """Return the answer to what cannot be read at `place` (query or json) under that name."""
    return HTTPError(422, "\n".join(sentences), detail={place: {name: list(sentences)}})


def etag(content: bytes) -> str:
    """Return what names the content."""
    return sha256(content).hexdigest()[:32]
