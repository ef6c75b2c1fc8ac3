"""Makes the application: the one place that says which routes there are, and what holds for all of them."""

from __future__ import annotations

from typing import Final

from apiflask import APIFlask
from flask_compress import Compress

from windmill.dashboard import (
    acts,
    again,
    answers,
    api,
    assets,
    audit,
    catalog,
    composer,
    context,
    execution,
    executions,
    failures,
    gate,
    health,
    help,
    hooks,
    job,
    metrics,
    output,
    overview,
    placing,
    preferences,
    problems,
    project,
    projects,
    security,
    shell,
    sign_in,
    status,
    streams,
    text,
    upcoming,
)
from windmill.dashboard.api import contracts
from windmill.dashboard.facts import Facts
from windmill.dashboard.forwarded import Forwarded

LOOPBACK: Final = ("localhost", "127.0.0.1")
BODY_MAX: Final = 1 << 20  # bytes


def create_app(facts: Facts) -> APIFlask:
    """Return the dashboard as a WSGI application. It meets the scheduler in the store only.

    It answers under the names of loopback and `facts.trusted_hosts`, whatever the method or route, so that no page
    of another site reaches it by a name that it points here.
    """
    app = APIFlask(
        "windmill.dashboard",
        title=contracts.TITLE,
        version=facts.version,
        json_errors=False,
        docs_path=None,
        spec_path=contracts.SPEC_PATH,
    )
    app.config["TRUSTED_HOSTS"] = [*LOOPBACK, *facts.trusted_hosts]
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = text.visible
    app.wsgi_app = Forwarded(app.wsgi_app, facts.access)  # type: ignore[method-assign] # as Flask says to do it
    context.install(app, facts)
    Compress(app)
    assets.install(app)
    catalog.install(app)
    streams.install(app)
    security.install(app)
    failures.install(app)
    placing.install(app)
    gate.install(app, facts.secret_key)
    preferences.install(app)
    shell.install(app)
    acts.install(app)
    for part in (
        *((acts, again, answers, placing) if facts.actions else ()),
        audit,
        composer,
        overview,
        job,
        executions,
        execution,
        output,
        upcoming,
        projects,
        project,
        problems,
        health,
        status,
        help,
        hooks,
        metrics,
        preferences,
        shell,
        sign_in,
    ):
        app.register_blueprint(part.blueprint)
    api.install(app, actions=facts.actions)
    return app
