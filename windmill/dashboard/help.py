"""/help: the manual of this very version, and a search in it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from apiflask import APIBlueprint
from flask import render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from windmill.dashboard import manual
from windmill.dashboard.text import visible

ASKED_MAX: Final = 200  # characters

blueprint = APIBlueprint("help", __name__, url_prefix="/help", enable_openapi=False)


@blueprint.get("")
def page() -> str:
    """Show what there is to read, or with ?q= where something stands."""
    asked = str(visible(request.args.get("q", "").strip()[:ASKED_MAX]))
    hits = manual.find(asked)
    return render_template("help.html", page=None, chapters=_listed(), asked=asked, hits=hits, most=manual.HITS_MAX)


@blueprint.get("/<path:name>")
def chapter(name: str) -> str:
    """Show one page; the names are those of the manual, and no path. 404 names those that are called alike."""
    known = manual.pages()
    if name not in known:
        near = get_close_matches(name, known, n=3)
        raise NotFound(_("The manual has no such page. There is %(near)s.", near=", ".join(near or list(known)[:3])))
    listed = list(known)
    at = listed.index(name)
    return render_template(
        "help.html",
        page=known[name],
        html=manual.rendered(name, url_for(".page") + "/"),
        chapters=_listed(),
        before=known[listed[at - 1]] if at else None,
        after=known[listed[at + 1]] if at + 1 < len(listed) else None,
        asked="",
        hits=[],
    )


def _listed() -> dict[str, list[manual.Page]]:
    found = list(manual.pages().values())
    decisions = [one for one in found if one.name.startswith(manual.DECISIONS)]
    return {"manual": [one for one in found if one not in decisions], "decisions": decisions}
