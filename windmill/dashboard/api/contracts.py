"""The contract: what the API answers to what, and which schemas files are held to."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from apiflask import APIBlueprint, APIFlask
from flask import Response, jsonify

from windmill.dashboard.api import models
from windmill.dashboard.api.edge import PATHS, Responses
from windmill.dashboard.context import facts

blueprint = APIBlueprint("contracts", __name__, tag="Contracts")

TITLE: Final = "WindMill"
SPEC_PATH: Final = "/api/v1/openapi.json"
DESCRIPTION: Final = """\
Everything that the dashboard shows, and what can be asked of the scheduler.

Acting needs a bearer token or basic sign-in; a browser's session does not count here. Lists give `{items, next}`:
ask again with `cursor=NEXT` while `next` is not null. Errors are `{code, message, detail, request}`.
"""
_WHY: Final = {
    "400": "It cannot be read",
    "401": "Sign in first",
    "403": "The viewer may look, and not act",
    "404": "There is no such thing",
    "409": "Refused as things stand",
    "413": "The body is too large",
    "415": "The body is no JSON",
    "422": "Something in it is not what it should be",
    "429": "Too many wrong sign-ins; ask again later",
    "500": "Something failed here",
    "503": "The store does not answer; ask again",
}
_OF_ALL: Final = ("400", "401", "403", "429", "500", "503")
_OF_BODIES: Final = ("413", "415", "422")
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
    "basic": {"type": "http", "scheme": "basic", "description": "A name and a password."},
}
_SCHEMA: Final[Responses] = {200: {"content": {"application/json": {"schema": {}}}}}
_PUBLIC: Final = {"getOpenApi", "getJobSchema", "getProjectSchema"}


def install(app: APIFlask) -> None:
    """Let the application describe itself."""
    app.config.update(
        DESCRIPTION=DESCRIPTION,
        SECURITY_SCHEMES=_SCHEMES,
        AUTO_SERVERS=False,  # else the first viewer's name for us would be told to all
        AUTO_VALIDATION_ERROR_RESPONSE=False,  # _complete says it
        AUTO_404_RESPONSE=False,
        HTTP_ERROR_SCHEMA=models.Error.model_json_schema(),
    )
    app.spec_processor(_complete)


@blueprint.get("/schema/job.json")
@blueprint.doc(operation_id="getJobSchema", responses=_SCHEMA)
def job() -> Response:
    """Return the JSON Schema of a job file."""
    return jsonify(facts().schemas()["job"])


@blueprint.get("/schema/project.json")
@blueprint.doc(operation_id="getProjectSchema", responses=_SCHEMA)
def project() -> Response:
    """Return the JSON Schema of what windmill.toml says of a project."""
    return jsonify(facts().schemas()["project"])


def _complete(document: Any) -> Any:
    """Return the document with what holds for all operations, and each model under its own name once."""
    document = json.loads(
        re.sub(r"#/components/schemas/\w+\.(\w+)", r"#/components/schemas/\1", json.dumps(document))
    )
    components = document["components"]
    schemas = {name.rpartition(".")[2]: schema for name, schema in components["schemas"].items()}
    components["schemas"] = schemas | {"Error": models.Error.model_json_schema()}
    schemas.pop("HTTPError", None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_one(path, operation)
    return document


def _complete_one(path: str, operation: dict[str, Any]) -> None:
    responses, parameters = operation["responses"], operation["parameters"]
    for parameter in parameters:
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "pattern": f"^{PATHS[parameter['name']]}$"}
        parameter["schema"] = _sent(parameter["schema"])
        parameter["description"] = parameter["schema"].pop("description", "")
    statuses = [
        *_OF_ALL,
        *(("404",) if "{" in path else ()),
        *(("422",) if len(parameters) > path.count("{") else ()),
    ]
    statuses += _OF_BODIES if "requestBody" in operation else ()
    for status in sorted({*statuses, *(status for status in responses if status >= "4")}):
        described = responses.get(status, {}).get("description", _WHY[status])
        responses[status] = {
            "description": described,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    if "304" in responses:
        del responses["304"]["content"]  # it has none
    public = operation["operationId"] in _PUBLIC
    operation["security"] = (
        [] if public else [{"bearer": []}, {"basic": []}, *([{}] if "202" not in responses else [])]
    )


def _sent(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a part of an address or of a header, which is left out instead of being null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    plain = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
    return {**plain, **kinds[0]}
