"""Failures as answers: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

import logging
from typing import Final

from apiflask import HTTPError
from flask import Flask, Response, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    InternalServerError,
    NotFound,
    SecurityError,
    ServiceUnavailable,
    Unauthorized,
    UnprocessableEntity,
    default_exceptions,
)

from windmill.core.errors import NotFound as NothingThere
from windmill.core.errors import Refused, Unavailable, WindmillError
from windmill.dashboard.context import OtherVersion
from windmill.dashboard.gate import FOR_PROGRAMS
from windmill.dashboard.identity import challenges
from windmill.dashboard.preferences import came_from
from windmill.dashboard.security import request_id

_LOG: Final = logging.getLogger("windmill.dashboard")
RETRY_SECONDS: Final = 5
UNREADABLE: Final = 422
_KINDS: Final[dict[type[WindmillError], type[HTTPException]]] = {NothingThere: NotFound, Refused: Conflict}


def install(app: Flask) -> None:
    """Let the application answer every failure here."""
    app.register_error_handler(SecurityError, _foreign)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(HTTPError, _mistaken)
    app.register_error_handler(WindmillError, _known)
    app.register_error_handler(Exception, _unknown)


def _foreign(__: SecurityError) -> Response:
    """Answer who asked for us by a name that is not ours: plainly, as no link can be made under such a name."""
    words = "This name is not one the dashboard answers to: see [dashboard] trusted_hosts in windmill.toml.\n"
    return Response(words, 400, mimetype="text/plain")


def _refused(error: HTTPException) -> Response:
    answer = error.get_response()
    code = error.code or 500
    if code < 400:  # noqa: PLR2004 - a redirect is no failure
        return make_response(answer)
    said = error.description if error.description != type(error).description else ""
    return _answer(error, said or _words().get(code, error.name), _names().get(code, error.name))


def _mistaken(error: HTTPError) -> Response:
    """Answer what the API refuses with its detail; of what is not valid, in words what and where."""
    kind = default_exceptions[error.status_code]()
    places = error.detail if error.status_code == UNREADABLE else {}
    named = [
        sentence if sentence in str(error.message) or not name else f"{name}: {sentence}"
        for found in places.values()
        for name, sentences in found.items()
        for sentence in sentences
    ]
    return _answer(kind, "\n".join(named) or str(error.message), kind.name, error.detail)


def _known(error: WindmillError) -> Response:
    if isinstance(error, OtherVersion):
        sentences = filter(None, (error.message, error.hint))
        return _answer(ServiceUnavailable(), "\n".join(sentences), "Another version")
    if isinstance(error, Unavailable):
        away = ServiceUnavailable(retry_after=RETRY_SECONDS)
        return _answer(
            away, _("The store does not answer. Jobs run on, and what they write is kept."), _("Store away")
        )
    kind = _KINDS.get(type(error), UnprocessableEntity if request.path.startswith("/api/") else InternalServerError)()
    return _answer(kind, error.message, _names().get(kind.code or 500, kind.name))


def _unknown(error: Exception) -> Response:
    _LOG.error("request %s failed", request_id(), exc_info=error, extra={"event": "request.failed"})
    return _answer(InternalServerError(), _words()[500], _names()[500])


def _names() -> dict[int, str]:
    return {
        400: _("Not understood"),
        401: _("Sign in first"),
        403: _("Not allowed"),
        404: _("Not found"),
        405: _("Not possible"),
        409: _("Not now"),
        413: _("Too large"),
        429: _("Too often"),
        500: _("Failed"),
        503: _("Not now"),
    }


def _words() -> dict[int, str]:
    return {
        400: _("This request cannot be understood."),
        403: _("You may not do this."),
        404: _("There is nothing here. It may have been renamed or removed."),
        405: _("This cannot be asked for in this way."),
        413: _("What was sent is larger than what is taken."),
        500: _("Something failed here. The log has more under the number below."),
    }


def _answer(error: HTTPException, message: str, title: str, detail: object = None) -> Response:
    code = error.code or 500
    if request.path.startswith(FOR_PROGRAMS):
        response = jsonify(code=code, message=message, detail=detail or {}, request=request_id())
    else:
        page = render_template("error.html", code=code, title=title, message=message, request_id=request_id())
        response = make_response(page)
    response.status_code = code
    if isinstance(error, Unauthorized) and not error.www_authenticate:
        error.www_authenticate = tuple(challenges())
        if "HX-Request" in request.headers:  # a part of a page is asked for; the whole page has to go
            response.headers["HX-Redirect"] = url_for("sign_in.page", next=came_from())
    for name, value in error.get_headers(request.environ):
        if name not in {"Content-Type", "Content-Length"}:
            response.headers.add(name, value)
    return response
