"""Who asks, and what they may: the one rule for every route there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, g, request, session
from flask_wtf.csrf import CSRFProtect, validate_csrf
from werkzeug.exceptions import BadRequest, Forbidden, Unauthorized
from wtforms.validators import ValidationError

from windmill.dashboard.context import facts
from windmill.dashboard.facts import Role

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FOR_PROGRAMS: Final = ("/api/", "/hooks/", "/health", "/ready", "/metrics")
# What may be asked for by everybody: it tells nothing of jobs, or asks for a proof of its own.
PUBLIC: Final = frozenset({"static", "health.health", "health.ready", "hooks.pushed", "preferences.choose"})
OTHERS: Final = frozenset({"cross-site", "same-site"})  # as browsers say from where a request comes


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: `name` is "" for somebody who has not signed in."""

    name: str
    role: Role


def install(app: Flask, secret_key: bytes) -> None:
    """Let nothing through that the viewer may not, and no form that another site sent."""
    app.config.update(
        SECRET_KEY=secret_key,
        SESSION_COOKIE_NAME="windmill",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_CHECK_DEFAULT=False,  # asked for below, after it is known who asks
        WTF_CSRF_TIME_LIMIT=None,  # a page stays open all day; the token ends with the session
    )
    CSRFProtect(app)
    app.before_request(_admit)
    app.context_processor(lambda: {"viewer": viewer, "may_act": may_act})


def viewer() -> Viewer:
    """Return who asks; known once for a request."""
    if "viewer" not in g:
        g.viewer = _viewer()
    found: Viewer = g.viewer
    return found


def may_act() -> bool:
    """Return whether what acts is to be shown to the viewer."""
    return facts().actions and viewer().role >= Role.ACT


def _viewer() -> Viewer:
    by_page = request.method in SAFE or not request.path.startswith(FOR_PROGRAMS)
    if by_page and "viewer" in session:  # a program that acts shows its token; another site may use our cookie
        return Viewer(str(session["viewer"]), Role(session["role"]))
    return Viewer("", facts().anonymous)


def _admit() -> None:
    if request.endpoint is None:
        return
    if request.method not in SAFE and not request.path.startswith(FOR_PROGRAMS):
        _refuse_others()
    needed = Role.READ if request.method in SAFE else Role.ACT
    if request.endpoint in PUBLIC or viewer().role >= needed:
        return
    if viewer().name:
        raise Forbidden("You may look here, and not act.")
    raise Unauthorized("Sign in first.")


def _refuse_others() -> None:
    """Refuse what another site had the browser send, and a form that no page of ours showed this viewer."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site") in OTHERS or (origin and urlsplit(origin).netloc != request.host):
        raise BadRequest("This was sent by another site.")
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRF-Token"))
    except ValidationError:
        raise BadRequest("The form has expired: load the page again.") from None
