"""What every page shows around its own content: where one can go, who one is, and whether the scheduler lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from apiflask import APIBlueprint
from flask import Flask, current_app, g, render_template, request
from flask_babel import lazy_gettext

from windmill.core.errors import Unavailable
from windmill.dashboard import present, words
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age
from windmill.dashboard.runbook import first_line, runbook
from windmill.dashboard.schedules import schedule_words

# (endpoint, name, the key that follows g)
PAGES: Final = (
    ("overview.overview", lazy_gettext("Jobs"), "j"),
    ("executions.listing", lazy_gettext("Executions"), "e"),
    ("upcoming.page", lazy_gettext("Upcoming"), "u"),
    ("projects.page", lazy_gettext("Projects"), "r"),
    ("problems.page", lazy_gettext("Problems"), "p"),
)
MORE: Final = (
    ("audit.page", lazy_gettext("Audit"), "a"),
    ("status.page", lazy_gettext("Health"), "h"),
    ("help.page", lazy_gettext("Help"), "m"),
)
# By blueprint, the page it belongs to.
PARTS: Final = {
    "job": "overview.overview",
    "acts": "overview.overview",
    "again": "executions.listing",
    "execution": "executions.listing",
    "project": "projects.page",
    "help": "help.page",
}

blueprint = APIBlueprint("shell", __name__, enable_openapi=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """What is known of the scheduler: `heard` says in words how long ago, None for never."""

    alive: bool = False
    left: bool = False
    heard: str | None = None
    away: bool = False  # the store does not answer, so that nothing is known


def install(app: Flask) -> None:
    """Let the templates of the application show the shell, and say things in the viewer's language."""
    app.context_processor(_around)
    filters: dict[str, Callable[..., Any]] = {
        "state_word": words.state_word,
        "trigger_word": words.trigger_word,
        "glyph": present.glyph,
        "took": present.took,
        "summary": present.summary,
        "in_utc": words.in_utc,
        "moment": words.moment,
        "month": words.month,
        "weekday": words.weekday,
        "days": words.days,
        "first_line": first_line,
        "runbook": runbook,
        "span": words.span,
        "schedule_words": lambda job: schedule_words(job, facts().schedule(job)),
    }
    for name, function in filters.items():
        app.add_template_filter(function, name)


@blueprint.get("/heart")
def beat() -> str:
    """Return what pages show of the scheduler, for those that stay open and have nothing else to bring up to date."""
    return render_template("heart.html")


def heart() -> Heart:
    """Return what is known of the scheduler now; asked once for a request."""
    if "heart" not in g:
        g.heart = _heart()
    found: Heart = g.heart
    return found


def wrong_count() -> int:
    """Return how many errors there are in files and sources; asked once for a request."""
    if "wrong_count" not in g:
        g.wrong_count = _wrong_count()
    return int(g.wrong_count)


def _around() -> dict[str, Any]:
    return {
        "pages": _there(PAGES),
        "more_pages": _there(MORE),
        "there": lambda endpoint: endpoint in current_app.view_functions,
        "here": request.endpoint,
        "within": PARTS.get(request.blueprint or ""),
        "heart": heart,
        "wrong_count": wrong_count,
        "facts": facts,
        "now": now,
    }


def _there(pages: tuple[tuple[str, Any, str], ...]) -> list[tuple[str, str, str]]:
    return [(endpoint, str(name), key) for endpoint, name, key in pages if endpoint in current_app.view_functions]


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
        heard=None if heard is None else words.relative(now() - heard, now()),
    )


def _wrong_count() -> int:
    try:
        found = (store().status("catalog") or {}).get("problems", ())
        sources = (store().status("projects") or {}).get("projects", ())
    except Unavailable:
        return 0
    return sum(1 for one in found if one["severity"] == "error") + sum(1 for one in sources if one.get("error"))
