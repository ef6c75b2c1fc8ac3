"""Makes the application: the one place that says which routes there are, and what holds for all of them."""

from __future__ import annotations

from typing import Final

from apiflask import APIFlask

from windmill.dashboard import (
    acts,
    again,
    answers,
    audit,
    context,
    execution,
    executions,
    failures,
    gate,
    health,
    hooks,
    job,
    output,
    overview,
    preferences,
    problems,
    projects,
    security,
    shell,
    text,
    upcoming,
)
from windmill.dashboard.facts import Facts

LOOPBACK: Final = ("localhost", "127.0.0.1")
BODY_MAX: Final = 1 << 20  # bytes


def create_app(facts: Facts) -> APIFlask:
    """Return the dashboard as a WSGI application. It meets the scheduler in the store only.

    It answers under the names of loopback and `facts.trusted_hosts`, whatever the method or route, so that no page
    of another site reaches it by a name that it points here.
    """
    app = APIFlask(
        "windmill.dashboard",
        title="WindMill",
        version=facts.version,
        json_errors=False,
        docs_path=None,
        spec_path=None,
    )
    app.config["TRUSTED_HOSTS"] = [*LOOPBACK, *facts.trusted_hosts]
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = text.visible
    context.install(app, facts)
    output.install(app)
    security.install(app)
    failures.install(app)
    gate.install(app, facts.secret_key)
    preferences.install(app)
    shell.install(app)
    acts.install(app)
    for part in (
        *((acts, again, answers) if facts.actions else ()),
        audit,
        overview,
        job,
        executions,
        execution,
        output,
        upcoming,
        projects,
        problems,
        health,
        hooks,
        preferences,
    ):
        app.register_blueprint(part.blueprint)
    return app
