"""/sign-in and /sign-out: how people say who they are, by link, token, password, proxy or an identity provider."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from apiflask import APIBlueprint
from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from windmill.dashboard import oidc, proofs
from windmill.dashboard.context import facts
from windmill.dashboard.gate import Viewer, viewer
from windmill.dashboard.identity import access, attempt, refused, succeeded
from windmill.dashboard.identity import enter as let_in
from windmill.dashboard.identity import leave as let_out
from windmill.dashboard.preferences import own_path

WRONG: Final = 401

blueprint = APIBlueprint("sign_in", __name__, enable_openapi=False)


@blueprint.get("/sign-in")
def page() -> Response:
    """Show how to sign in here; a link with a token that is good signs in, once."""
    token = request.args.get("token")
    looked_up = request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", "")
    if token and looked_up and access().auth == "link":
        try:
            return _by_link(token)
        except TooManyRequests as error:
            return _too_often(error)
    return _page()


@blueprint.post("/sign-in")
def enter() -> Response:
    """Take what was typed: the session begins, or the page says what was wrong."""
    ways = {"link": _link_typed, "token": _token_typed, "basic": _password_typed}
    try:
        return ways[access().auth]() if access().auth in ways else _page()
    except TooManyRequests as error:
        return _too_often(error)


@blueprint.post("/sign-out")
def leave() -> Response:
    """End the session."""
    let_out()
    return redirect(url_for("sign_in.page", left=1), 303)


@blueprint.get("/sign-in/oidc")
def ask() -> Response:
    """Send the viewer to the identity provider."""
    issuer = access().issuer
    if access().auth != "oidc" or issuer is None:
        return redirect(url_for("sign_in.page"), 303)
    try:
        return oidc.ask(issuer, url_for("sign_in.answered", _external=True), _next())
    except oidc.Failed:
        return _page(_("The identity provider does not answer. Try again in a moment."), 502)


@blueprint.get("/sign-in/oidc/answer")
def answered() -> Response:
    """Take what the identity provider says. The page leads on by itself: a redirect from there brings no session."""
    issuer = access().issuer
    if access().auth != "oidc" or issuer is None:
        return redirect(url_for("sign_in.page"), 303)
    try:
        name, wanted = oidc.answered(issuer, url_for("sign_in.answered", _external=True))
    except oidc.Failed:
        refused("oidc")
        return _page(_("The identity provider did not let you in, or it took too long. Try again."), WRONG)
    let_in(name)
    return make_response(render_template("signed_in.html", next=own_path(wanted)))


def _by_link(token: str) -> Response:
    name = facts().claim(token)
    if name is None:
        attempt()
        refused("link")
        return _page(_("This link was used already, or it is too old."), WRONG)
    return _welcome(name)


def _link_typed() -> Response:
    typed = request.form.get("secret", "").strip()
    return _by_link((parse_qs(urlsplit(typed).query).get("token") or [typed])[0])


def _token_typed() -> Response:
    attempt()
    name = proofs.whose_token(request.form.get("secret", "").strip(), access().accounts)
    if name is None:
        refused("token")
        return _page(_("This token is not one that is known here."), WRONG)
    succeeded()
    return _welcome(name)


def _password_typed() -> Response:
    name = request.form.get("name", "").strip()
    attempt(name)
    if not proofs.is_password(request.form.get("secret", ""), access().accounts.get(name)):
        refused("password")
        return _page(_("Name and password do not belong together."), WRONG)
    succeeded(name)
    return _welcome(name)


def _welcome(name: str) -> Response:
    let_in(name)
    return redirect(_next(), 303)


def _next() -> str:
    return own_path(request.values.get("next", ""))


def _too_often(error: TooManyRequests) -> Response:
    seconds = int(str(error.retry_after or 1))
    wait = ngettext("Try again in %(num)d second.", "Try again in %(num)d seconds.", seconds)
    answer = _page(str(error.description), 429, wait)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _page(wrong: str = "", code: int = 200, more: str = "") -> Response:
    known = access()
    return make_response(
        render_template(
            "sign_in.html",
            auth=known.auth,
            who=_who(),
            wrong=wrong,
            name=request.form.get("name", "")[:100],
            more=more,
            left="left" in request.args,
            next=_next(),
            provider=urlsplit(known.issuer.url).hostname if known.issuer else "",
            header=known.proxy.header,
        ),
        code,
    )


def _who() -> Viewer | None:
    """Return who is signed in already."""
    return viewer() if viewer().name else None
