"""Static files under an address that changes with their content, so that browsers need not ask for them again."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from flask import Flask, Response, current_app, request, url_for

KEPT: Final = "public, max-age=31536000, immutable"


def install(app: Flask) -> None:
    """Let templates name a static file by `asset("style.css")`."""
    app.add_template_global(asset, "asset")
    app.after_request(_keep)


def asset(filename: str) -> str:
    """Return the address of the static file as it is now."""
    return url_for("static", filename=filename, v=_version(filename))


def _keep(response: Response) -> Response:
    asked = request.args.get("v")
    if request.endpoint == "static" and asked and asked == _version((request.view_args or {})["filename"]):
        response.headers["Cache-Control"] = KEPT
    return response


def _version(filename: str) -> str | None:
    path = Path(current_app.static_folder or "") / filename
    try:
        return _digest(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _digest(path: Path, _changed: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:10]
