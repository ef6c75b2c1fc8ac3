"""Failures as answers: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

import logging
from typing import Final

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, SecurityError, ServiceUnavailable

from windmill.core.errors import NotFound as NothingThere
from windmill.core.errors import Unavailable, WindmillError
from windmill.dashboard.gate import FOR_PROGRAMS
from windmill.dashboard.security import request_id

_LOG: Final = logging.getLogger("windmill.dashboard")
RETRY_SECONDS: Final = 5


def install(app: Flask) -> None:
    """Let the application answer every failure here."""
    app.register_error_handler(SecurityError, _foreign)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(WindmillError, _known)
    app.register_error_handler(Exception, _unknown)


def _foreign(_: SecurityError) -> Response:
    """Answer who asked for us by a name that is not ours: plainly, as no link can be made under such a name."""
    words = "This name is not one the dashboard answers to: see [dashboard] trusted_hosts in windmill.toml.\n"
    return Response(words, 400, mimetype="text/plain")


def _refused(error: HTTPException) -> Response:
    answer = error.get_response()
    code = error.code or 500
    if code < 400:  # noqa: PLR2004 - a redirect is no failure
        return make_response(answer)
    return _answer(error, error.description or error.name, error.name)


def _known(error: WindmillError) -> Response:
    if isinstance(error, Unavailable):
        away = ServiceUnavailable(retry_after=RETRY_SECONDS)
        return _answer(away, "The store does not answer. Jobs run on, and what they write is kept.", "Store away")
    kind: HTTPException = NotFound() if isinstance(error, NothingThere) else InternalServerError()
    return _answer(kind, error.message, kind.name)


def _unknown(error: Exception) -> Response:
    _LOG.error("request %s failed", request_id(), exc_info=error, extra={"event": "request.failed"})
    return _answer(InternalServerError(), "Something failed here. The log has more under the number below.", "Failed")


def _answer(error: HTTPException, message: str, title: str) -> Response:
    code = error.code or 500
    if request.path.startswith(FOR_PROGRAMS):
        response = jsonify(code=code, message=message, request=request_id())
    else:
        page = render_template("error.html", code=code, title=title, message=message, request_id=request_id())
        response = make_response(page)
    response.status_code = code
    for name, value in error.get_headers(request.environ):
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response
