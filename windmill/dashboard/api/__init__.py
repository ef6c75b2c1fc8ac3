"""The API of version 1: what pages show and do, for programs. Its contract is /api/v1/openapi.json."""

from __future__ import annotations

from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import Request
from werkzeug.exceptions import BadRequest

from windmill.core.documents import Document
from windmill.dashboard.api import (
    acts,
    audit,
    contracts,
    executions,
    jobs,
    output,
    problems,
    projects,
    status,
    upcoming,
)


class _Request(Request):
    """A request whose empty body is {}, as every body here is optional; null is none."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return what the body says as JSON. Raises BadRequest."""
        if not self.get_data():
            return {}
        found = super().get_json(force=force, silent=silent, cache=cache)
        if found is None and not silent:
            raise BadRequest("The body is null, where an object is expected.")
        return found


def install(app: APIFlask, *, actions: bool) -> None:
    """Let the application answer programs; without `actions` nothing there acts."""
    app.request_class = _Request
    contracts.install(app)
    blueprint = APIBlueprint("api", __name__, url_prefix="/api/v1", enable_openapi=False)
    for part in (status, jobs, executions, output, projects, upcoming, problems, audit, contracts):
        blueprint.register_blueprint(part.blueprint)
    if actions:
        blueprint.register_blueprint(acts.blueprint)
    app.register_blueprint(blueprint)


def contract(version: str) -> Document:
    """Return the OpenAPI document of the API with all that acts, without a home."""
    app = APIFlask("windmill.dashboard", title=contracts.TITLE, version=version, docs_path=None, spec_path=None)
    install(app, actions=True)
    document: Any = app.spec
    return cast(Document, document)
