"""What every page shows around its own content: where one can go, and whether the scheduler lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, g, request

from windmill.core.errors import Unavailable
from windmill.dashboard import present
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age
from windmill.dashboard.words import relative

PAGES: Final = (
    ("overview.overview", "Jobs"),
    ("executions.listing", "Executions"),
    ("projects.page", "Projects"),
    ("upcoming.page", "Upcoming"),
    ("problems.page", "Problems"),
)
PARTS: Final = {"job": "overview.overview", "execution": "executions.listing"}  # by blueprint, the page it belongs to


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """What is known of the scheduler: `heard` says in words how long ago, None for never."""

    alive: bool = False
    left: bool = False
    heard: str | None = None
    away: bool = False  # the store does not answer, so that nothing is known


def install(app: Flask) -> None:
    """Let the templates of the application show the shell."""
    app.context_processor(_around)
    app.add_template_filter(present.state_word, "state_word")
    app.add_template_filter(present.glyph, "glyph")
    app.add_template_filter(present.took, "took")
    app.add_template_filter(present.summary, "summary")


def heart() -> Heart:
    """Return what is known of the scheduler now; asked once for a request."""
    if "heart" not in g:
        g.heart = _heart()
    found: Heart = g.heart
    return found


def _around() -> dict[str, Any]:
    part = PARTS.get(request.blueprint or "")
    return {"pages": PAGES, "here": request.endpoint, "part": part, "heart": heart, "facts": facts, "now": now}


def _heart() -> Heart:
    try:
        known = store().status("scheduler")
    except Unavailable:
        return Heart(away=True)
    heard = age(known, now())
    left = bool(known and known.get("left"))
    return Heart(
        alive=heard is not None and heard < SILENT and not left,
        left=left,
        heard=None if heard is None else relative(now() - heard, now()),
    )
