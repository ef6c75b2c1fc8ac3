"""Who asks, and what they may: the one rule for every route there is."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFProtect, validate_csrf
from werkzeug.exceptions import BadRequest, Forbidden, Unauthorized
from werkzeug.wrappers import Response
from wtforms.validators import ValidationError

from windmill.dashboard import identity
from windmill.dashboard.context import facts
from windmill.dashboard.facts import Role

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FOR_PROGRAMS: Final = ("/api/", "/hooks/", "/health", "/ready", "/metrics")
# What may be asked for by everybody: it tells nothing of jobs, or asks for a proof of its own.
PUBLIC: Final = frozenset(
    {
        "static",
        "health.health",
        "health.ready",
        "hooks.pushed",
        "openapi.spec",
        "api.contracts.job",
        "api.contracts.project",
        "metrics.metrics",
        "preferences.choose",
        "sign_in.page",
        "sign_in.enter",
        "sign_in.leave",
        "sign_in.ask",
        "sign_in.answered",
    }
)
FORM: Final = "_form"  # ends the name of a page that only asks what to do
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
        SESSION_COOKIE_NAME=f"windmill-{sha256(secret_key).hexdigest()[:8]}",  # ports share cookies; homes do not
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_CHECK_DEFAULT=False,  # asked for below, after it is known who asks
        WTF_CSRF_TIME_LIMIT=None,  # a page stays open all day; the token ends with the session
    )
    identity.install(app)
    CSRFProtect(app)
    app.before_request(_admit)
    app.context_processor(lambda: {"viewer": viewer, "may_act": may_act})


def viewer() -> Viewer:
    """Return who asks; found out once for a request. Raises Unauthorized and TooManyRequests, then nobody asks."""
    if "viewer" not in g:
        g.viewer = Viewer("", Role.NOBODY)
        by_cookie = request.method in SAFE or not request.path.startswith(FOR_PROGRAMS)
        g.viewer = Viewer(*identity.identify(by_cookie=by_cookie))
    found: Viewer = g.viewer
    return found


def may_act() -> bool:
    """Return whether what acts is to be shown to the viewer."""
    return facts().actions and viewer().role >= Role.ACT


def needed(method: str, endpoint: str) -> Role:
    """Return what somebody has to be allowed to ask for this: looking is free of acting, but for the forms to act."""
    return Role.READ if method in SAFE and not endpoint.endswith(FORM) else Role.ACT


def _admit() -> Response | None:
    if request.endpoint is None:
        return None
    if request.method not in SAFE:
        _refuse_others()
        if not request.path.startswith(FOR_PROGRAMS):
            _refuse_other_forms()
    if request.endpoint in PUBLIC or viewer().role >= needed(request.method, request.endpoint):
        return None
    if viewer().name:
        words = (
            _("You may look here, and not act.") if viewer().role else _("You are signed in, and may not look here.")
        )
        raise Forbidden(words)
    if request.method in SAFE and not request.path.startswith(FOR_PROGRAMS) and "HX-Request" not in request.headers:
        return redirect(url_for("sign_in.page", next=request.full_path.rstrip("?")), 303)
    raise Unauthorized(_("Sign in first."))


def _refuse_others() -> None:
    """Refuse what another site had the browser send."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site") in OTHERS or (origin and urlsplit(origin).netloc != request.host):
        raise BadRequest(_("This was sent by another site."))


def _refuse_other_forms() -> None:
    """Refuse a form that no page of ours showed this viewer."""
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRF-Token"))
    except ValidationError:
        raise BadRequest(_("The form has expired: load the page again.")) from None
