"""What every answer carries: headers that keep a browser from doing more than it is shown, and a request's id."""

from __future__ import annotations

import secrets
from typing import Final

from flask import Flask, Response, g, request


def policy(*, style_nonce: str = "") -> str:
    """Return what a page may: no script and no style of its own, so that text which others brought cannot act.

    With a nonce, style elements that name it count; only a page that draws a terminal needs them.
    """
    styles = f"'self' 'nonce-{style_nonce}'" if style_nonce else "'self'"
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src {styles}",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


POLICY: Final = policy()
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def install(app: Flask) -> None:
    """Let every answer of the application, also that of a failure, carry the headers."""
    app.after_request(_protect)


def request_id() -> str:
    """Return the id of this request, made here: it stands in the answer and in the log."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(8)
    return str(g.request_id)


def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request_id()
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
