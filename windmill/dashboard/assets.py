"""Static files under an address that changes with their content, so that browsers need not ask for them again."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, current_app, request

KEPT: Final = "public, max-age=31536000, immutable"


def install(app: Flask) -> None:
    """Let every address of a static file name its version, as `url_for` makes it."""
    app.url_defaults(_name_version)
    app.after_request(_keep)


def _name_version(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static" and "filename" in values:
        values.setdefault("v", _version(values["filename"]))


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
