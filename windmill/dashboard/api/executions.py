"""Executions: a search as pages have it, as JSON or as a table file, and one execution by its id."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from windmill.core.model import Cause, State
from windmill.dashboard import executions
from windmill.dashboard.api import models
from windmill.dashboard.api.edge import PAGE, Limit, Query, Responses, Text, etag, mistaken
from windmill.dashboard.output import find

blueprint = APIBlueprint("executions", __name__, tag="Executions")

_DURATION: Final = r"^([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s?)?$"
TABLE: Final = "text/csv"
_PAGE: Final[Responses] = {
    200: {
        "content": {TABLE: {"schema": {"type": "string"}}},
        "headers": {"X-Next-Cursor": {"schema": {"type": "string"}, "description": "Where a table file goes on."}},
    }
}
_ONE: Final[Responses] = {
    200: {"headers": {"ETag": {"schema": {"type": "string"}}}},
    304: "Nothing has changed since that ETag",
}


def _instant(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Duration = Annotated[str, StringConstraints(pattern=_DURATION), Field(examples=["30s", "1h30m", "2d"])]
Time = Annotated[str, AfterValidator(_instant), Field(json_schema_extra={"format": "date-time"}, max_length=100)]


class Search(Query):
    """Which executions; what is left out does not restrict."""

    q: Text = Field(default="", description="A part of project/name, or the first four or more digits of an id.")
    project: Text = ""
    job: Text = Field(default="", description="project/name")
    state: list[State] = Field(default=[], description="One of these; repeat the name for more.")
    trigger: list[Cause] = Field(default=[], description="One of these; repeat the name for more.")
    label: Text = Field(default="", description="Of the job: a name, or a name and its value as team=sales.")
    last: Duration = Field(default="", description="Queued within this long.")
    from_: Time = Field(default="", alias="from", description="Queued then or later; without an offset, in UTC.")
    to: Time = Field(default="", description="Queued before.")
    revision: Text = Field(default="", description="As recorded, or the beginning of its commit or hash.")
    longer_than: Duration = Field(default="", description="Took at least this long.")
    contains: Text = Field(default="", description="In the output.")
    failure: Text = Field(default="", description="The fingerprint of a failure; quick together with its job.")
    column: Text = Field(default="", description="Of a table file: names of facts that are columns as well.")
    cursor: Text = Field(default="", description="`next` of the page before.")
    limit: Limit = PAGE


class Known(BaseModel):
    """What the viewer has already."""

    if_none_match: str | None = Field(default=None, description="The ETag of an earlier answer.")


@blueprint.get("/executions")
@blueprint.input(Search, location="query", arg_name="search")
@blueprint.output(models.Executions)
@blueprint.doc(operation_id="listExecutions", responses=_PAGE)
def listed(search: Search) -> Any:
    """List executions.

    Newest first. With `Accept: text/csv`, a table file of 10,000 rows at most, whatever the limit.
    """
    asked = executions.search()
    if asked.mistakes:
        raise mistaken("query", "_schema", *asked.mistakes)
    try:
        if request.accept_mimetypes.best_match(["application/json", TABLE]) == TABLE:
            return executions.table()
        page = executions.found(asked, limit=search.limit, cursor=search.cursor or None)
    except BadRequest as error:
        raise mistaken("query", "cursor", str(error.description)) from None
    return {"items": page.items, "next": page.next, "looked_until": page.looked_until}


@blueprint.get("/executions/<identity>")
@blueprint.input(Known, location="headers", arg_name="known")
@blueprint.output(models.Execution)
@blueprint.doc(operation_id="getExecution", responses=_ONE)
def one(identity: str, known: Known) -> AnyResponse:
    """Return one execution.

    With `If-None-Match`, nothing but 304 while it is as it was.
    """
    del known  # werkzeug reads it
    answer: Response = jsonify(models.Execution.model_validate(find(identity)).model_dump(mode="json"))
    answer.set_etag(etag(answer.get_data()))
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer.make_conditional(request)
