"""In which language and which light the viewer wants the pages: two cookies of theirs, and POST /preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import urlsplit

from apiflask import APIBlueprint
from flask import Flask, g, redirect, request
from flask_babel import Babel
from jinja2 import pass_context
from jinja2.runtime import Context
from werkzeug.wrappers import Response

from windmill.dashboard.text import visible

LANGUAGES: Final = {"en": "English", "pt_BR": "Português"}
THEMES: Final = ("light", "dark")
Translate = Callable[..., str]
KEPT_SECONDS: Final = 400 * 86400  # as long as browsers keep a cookie

blueprint = APIBlueprint("preferences", __name__, enable_openapi=False)


def install(app: Flask) -> None:
    """Let the application speak the viewer's language; `translations/` holds those that are not English."""
    Babel(app, locale_selector=language, default_translation_directories="translations")
    for name in ("gettext", "ngettext"):
        app.jinja_env.globals[name] = _of_visible(cast(Translate, app.jinja_env.globals[name]))
    app.context_processor(
        lambda: {"language": language, "languages": LANGUAGES, "theme": theme, "came_from": came_from}
    )


def language() -> str:
    """Return the viewer's language: the one chosen, else the one of their browser that we speak best."""
    if "language" not in g:
        chosen = request.cookies.get("language")
        spoken = {name.replace("_", "-"): name for name in LANGUAGES} | {"pt": "pt_BR"}
        best = request.accept_languages.best_match(spoken, "en")
        g.language = chosen if chosen in LANGUAGES else spoken[best]
    return str(g.language)


def theme() -> str:
    """Return the light chosen, "" for that of the viewer's machine."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def _of_visible(translate: Translate) -> Translate:
    """Return what makes a sentence of texts with signs for what would steer them, as templates do with all texts."""

    @pass_context
    def translated(context: Context, *sentence: Any, **parts: Any) -> str:
        return translate(context, *sentence, **{name: visible(value) for name, value in parts.items()})

    return translated


@blueprint.post("/preferences")
def choose() -> Response:
    """Remember what was chosen, and go back to the page it was chosen on."""
    answer = redirect(came_from(), 303)
    for name, values in (("language", LANGUAGES), ("theme", (*THEMES, ""))):
        if (value := request.form.get(name)) in values:
            answer.set_cookie(
                name,
                str(value),
                max_age=KEPT_SECONDS,
                httponly=True,
                samesite="Strict",
                secure=request.is_secure,
            )
    return answer


def came_from() -> str:
    """Return the path of the page of ours that the request was sent from, else that of the first page."""
    came = urlsplit(request.referrer or "")
    return own_path(came._replace(scheme="", netloc="", fragment="").geturl() if came.netloc == request.host else "")


def own_path(wanted: str) -> str:
    """Return the path where it is one of ours, else that of the first page: nobody is sent to another site."""
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if ours else "/"
