"""Who asks: by what the request shows, else by what the proxy says, else by the session."""

from __future__ import annotations

import hmac
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Flask, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_babel import gettext as _
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests, Unauthorized

from windmill.core.errors import WindmillError
from windmill.dashboard import proofs
from windmill.dashboard.access import Access, Role
from windmill.dashboard.attempts import Attempts
from windmill.dashboard.context import facts, now
from windmill.dashboard.forwarded import CAME_THROUGH, PEER

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
SESSION: Final = timedelta(hours=12)
NAME_MAX: Final = 320  # characters, as of an address of mail
REALM: Final = "WindMill"
_ATTEMPTS: Final = "windmill.attempts"
_LOG: Final = logging.getLogger("windmill.dashboard")


class Cookies(SecureCookieSessionInterface):
    """The session in a cookie that goes over https only where the dashboard is asked by https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the cookie is for https only."""
        return request.is_secure


def install(app: Flask) -> None:
    """Let the application tell people apart, and remember who could not prove who they are."""
    app.extensions[_ATTEMPTS] = Attempts()
    app.session_interface = Cookies()


def access() -> Access:
    """Return who may what, the same all through a request."""
    if "access" not in g:
        g.access = facts().access()
    found: Access = g.access
    return found


def identify(*, by_cookie: bool) -> tuple[str, Role]:
    """Return the name and role of who asks, "" for somebody unknown.

    Without `by_cookie` only what the request itself shows counts, not what a browser adds to it: for those that act
    and carry no token of a form. Raises Unauthorized for what is shown and wrong, TooManyRequests for it too often.
    """
    shown = _shown()
    if shown is not None:
        return shown
    if by_cookie and (name := _said_by_proxy() or _of_session()):
        return name, access().role(name)
    return "", _anonymous()


def attempt(account: str = "") -> None:
    """Count a try to prove who one is. Raises TooManyRequests where it comes too soon."""
    attempts: Attempts = current_app.extensions[_ATTEMPTS]
    wait = attempts.begin(now(), address=request.remote_addr or "", account=account)
    if wait:
        seconds = math.ceil(wait.total_seconds())
        raise TooManyRequests(_("That was wrong too often."), retry_after=seconds)


def succeeded(account: str = "") -> None:
    """Take the try back that has just been counted."""
    attempts: Attempts = current_app.extensions[_ATTEMPTS]
    attempts.succeeded(address=request.remote_addr or "", account=account)


def enter(name: str) -> None:
    """Let the viewer be signed in under this name from now on."""
    session.clear()
    session.update(viewer=name, by=access().auth, at=int(now().timestamp()), mark=_mark(name))
    _LOG.info("%s signed in", name, extra={"event": "sign-in.done", "by": access().auth})


def leave() -> None:
    """Let the viewer be signed in no longer."""
    name = session.get("viewer")
    session.clear()
    if name:
        _LOG.info("%s signed out", name, extra={"event": "sign-out"})


def refused(how: str) -> None:
    """Tell the log that somebody could not prove who they are: from where, and nothing of what they sent."""
    _LOG.warning(
        "a sign-in by %s from %s was refused", how, request.remote_addr, extra={"event": "sign-in.refused", "by": how}
    )


def challenges() -> list[WWWAuthenticate]:
    """Return how a program may show who it is. Browsers are not asked for a password in a window of their own."""
    asked = [WWWAuthenticate("bearer", {"realm": REALM})]
    if access().auth == "basic" and "Sec-Fetch-Mode" not in request.headers:
        asked.append(WWWAuthenticate("basic", {"realm": REALM, "charset": "UTF-8"}))
    return asked


def _shown() -> tuple[str, Role] | None:
    """Return who the Authorization of the request is of; None where there is none, or it is not for us."""
    authorization, known = request.authorization, access()
    if authorization is None or (known.auth == "proxy" and _said_by_proxy()):
        return None
    if authorization.type == "bearer":
        name = proofs.whose_token(authorization.token or "", known.accounts)
        if name is None:
            attempt()
    elif authorization.type == "basic" and known.auth == "basic":
        name = _of_pair(authorization.username or "", authorization.password or "")
    else:
        return None
    if name is None:
        refused(authorization.type)
        raise Unauthorized(_("This is nobody's token or password."))
    return name, known.accounts[name].role


def _of_pair(name: str, password: str) -> str | None:
    account = access().accounts.get(name)
    if proofs.held_before(password, account):
        return name
    attempt(name)
    if not proofs.is_password(password, account):
        return None
    succeeded(name)
    return name


def _said_by_proxy() -> str:
    known = access()
    if known.auth != "proxy" or not known.trusts(request.environ.get(PEER, "")):
        return ""
    name = request.headers.get(known.proxy.header, "").strip()
    good = name.isprintable() and len(name) <= NAME_MAX and "," not in name  # a comma: somebody else sent one too
    return name if good else ""


def _of_session() -> str:
    name, at = session.get("viewer"), session.get("at")
    if not isinstance(name, str) or not isinstance(at, int) or session.get("by") != access().auth:
        return ""
    fresh = timedelta(0) <= now() - datetime.fromtimestamp(at, UTC) < SESSION
    return name if fresh and hmac.compare_digest(str(session.get("mark")), _mark(name)) else ""


def _mark(name: str) -> str:
    """Return what changes with the secret that the name was proved by: with it the session ends."""
    secret = access().secret(name)
    try:
        return proofs.mark(secret()) if secret else ""
    except WindmillError:
        return "unreadable"


def _anonymous() -> Role:
    """Return what somebody unknown may: nothing, where they come from elsewhere through a proxy."""
    name = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdecimal() else request.host
    here = name in LOOPBACK and not request.environ.get(CAME_THROUGH)
    return access().anonymous if here else Role.NOBODY
