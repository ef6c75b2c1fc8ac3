"""In which language and which light the viewer wants the pages: two cookies of theirs, and POST /preferences."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from apiflask import APIBlueprint
from flask import Flask, g, redirect, request
from flask_babel import Babel
from werkzeug.wrappers import Response

LANGUAGES: Final = {"en": "English", "pt_BR": "Português"}
THEMES: Final = ("light", "dark")
KEPT_SECONDS: Final = 400 * 86400  # as long as browsers keep a cookie

blueprint = APIBlueprint("preferences", __name__, enable_openapi=False)


def install(app: Flask) -> None:
    """Let the application speak the viewer's language; `translations/` holds those that are not English."""
    Babel(app, locale_selector=language, default_translation_directories="translations")
    app.context_processor(lambda: {"language": language, "languages": LANGUAGES, "theme": theme})


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


@blueprint.post("/preferences")
def choose() -> Response:
    """Remember what was chosen, and go back to the page it was chosen on."""
    came = urlsplit(request.referrer or "")
    back = came._replace(scheme="", netloc="", fragment="").geturl() if came.netloc == request.host else ""
    answer = redirect(own_path(back), 303)
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


def own_path(wanted: str) -> str:
    """Return the path where it is one of ours, else that of the first page: nobody is sent to another site."""
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if ours else "/"
