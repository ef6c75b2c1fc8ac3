"""The API of version 1: what pages show and do, for programs. Its contract is /api/v1/openapi.json."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import Request

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
    """A request whose empty body is {}, as every body here is optional."""

    def on_json_loading_failure(self, e: ValueError | None) -> Any:
        return super().on_json_loading_failure(e) if self.get_data() else {}


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
