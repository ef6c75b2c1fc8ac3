"""/problems: what is wrong in files and with sources, how to mend it, and what runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document, from_text
from windmill.dashboard.catalog import all_jobs
from windmill.dashboard.context import now, store
from windmill.dashboard.words import relative

blueprint = APIBlueprint("problems", __name__, enable_openapi=False)


@blueprint.get("/problems")
def page() -> str:
    """Show the problems by file, those that keep a job from being read first."""
    read = store()
    catalog = read.status("catalog") or {}
    found = catalog.get("problems", [])
    known = {job["id"] for job in all_jobs() if "document" in job} if found else set()
    at = from_text(catalog.get("at"))
    return render_template(
        "problems.html",
        files=by_file(found),
        errors=sum(problem["severity"] == "error" for problem in found),
        warnings=sum(problem["severity"] != "error" for problem in found),
        known=known,
        stale=set(catalog.get("stale", ())),
        sources=[one for one in (read.status("projects") or {}).get("projects", ()) if one["error"]],
        read=catalog.get("files"),
        since=relative(at, now()) if at else None,
        unreadable=bool(catalog.get("unreadable")),
    )


def by_file(problems: Iterable[Document]) -> list[dict[str, Any]]:
    """Return {file, problems} with the problems of each file by line; files with errors come first."""
    ordered = sorted(problems, key=lambda one: (one["file"], one["line"], one["column"]))
    files = [{"file": file, "problems": list(found)} for file, found in groupby(ordered, lambda one: one["file"])]
    return sorted(files, key=lambda one: all(problem["severity"] != "error" for problem in one["problems"]))
