"""/problems: what is wrong in files, with sources and around them, how to mend it, and what runs meanwhile."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document, from_text
from windmill.dashboard.catalog import all_jobs
from windmill.dashboard.checks import OK, SIGNS, Readings, around, look
from windmill.dashboard.context import facts, store
from windmill.dashboard.words import relative

DIGITS: Final = 12  # of a commit that people are shown
TOLD_BY_SOURCE: Final = frozenset({"refused", "held"})  # problems of a project as a whole
_FILE_OF_REVISION: Final = re.compile(r"(?P<project>[^@:/]+)(?:@(?P<key>[0-9a-f]+))?:(?P<path>.*)")
_FILE_OF_PROJECT: Final = re.compile(r"projects/(?P<project>[^/]+?)(?:\.py|\.zip)?(?:/.*)?")

blueprint = APIBlueprint("problems", __name__, enable_openapi=False)


class Place(NamedTuple):
    """Where a file lies: `key` is that of the revision it is read from, "" for one that lies in the home."""

    project: str
    key: str
    path: str


@blueprint.get("/problems")
def page() -> str:
    """Show the problems by project and file, those that keep a job from being read first."""
    store()  # without it nothing is known, and the page says so
    seen = look()
    sources = [one for one in seen.projects if one.get("error")]
    found = [one for one in seen.catalog.get("problems", ()) if not _told_by(one, sources)]
    jobs = [job for job in all_jobs() if "document" in job] if found else []
    at = from_text(seen.catalog.get("at"))
    files = [_file(one, jobs, seen) for one in by_file(found)]
    return render_template(
        "problems.html",
        groups=_groups(files),
        files=len(files),
        errors=sum(problem["severity"] == "error" for problem in found),
        warnings=sum(problem["severity"] != "error" for problem in found),
        known={job["id"] for job in jobs},
        stale=set(seen.catalog.get("stale", ())),
        sources=[_dated(one, seen) for one in sources],
        trouble=[one for one in around(seen) if one.verdict != OK],
        signs=SIGNS,
        read=seen.catalog.get("files"),
        since=relative(at, seen.instant) if at else None,
        at=seen.catalog.get("at"),
        unreadable=bool(seen.catalog.get("unreadable")),
    )


def by_file(problems: Iterable[Document]) -> list[dict[str, Any]]:
    """Return {file, problems} with the problems of each file by line; files with errors come first."""
    ordered = sorted(problems, key=lambda one: (one["file"], one["line"], one["column"]))
    files = [{"file": file, "problems": list(found)} for file, found in groupby(ordered, lambda one: one["file"])]
    return sorted(files, key=lambda one: all(problem["severity"] != "error" for problem in one["problems"]))


def place(file: str) -> Place:
    """Return where the file of that name lies; see `app.repository.shown` for the names of those of revisions."""
    if match := _FILE_OF_REVISION.fullmatch(file):
        return Place(match["project"], match["key"] or "", match["path"])
    match = _FILE_OF_PROJECT.fullmatch(file)
    return Place(match["project"] if match else "", "", file)


def excerpt(problem: Document) -> list[dict[str, Any]]:
    """Return {number, before, at, after, here} of every line of the excerpt; `at` is the letter the problem is at."""
    first = max(problem["line"] - 1, 1)
    return [
        _line(number, text, problem["column"] if number == problem["line"] else 0)
        for number, text in enumerate(problem.get("excerpt") or (), first)
    ]


def _line(number: int, text: str, column: int) -> dict[str, Any]:
    text = text.replace("\t", "→")  # as wide as one letter, so that the caret stands under it
    at = min(column - 1, len(text)) if column else len(text)
    line = {
        "number": number,
        "before": text[:at],
        "at": text[at : at + 1],
        "after": text[at + 1 :],
        "here": column > 0,
    }
    return line | {"indent": " " * at}


def _file(found: dict[str, Any], jobs: Sequence[Document], seen: Readings) -> dict[str, Any]:
    """Return the file with its project, since when it is as it is, whose commit that is, and what runs instead."""
    where = place(found["file"])
    project = where.project or next((one["job"].partition("/")[0] for one in found["problems"] if one["job"]), "")
    wrong = any(one["severity"] == "error" for one in found["problems"])
    revision = _revision(where)
    changed = facts().ground.changed(found["file"]) if not where.key else from_text(_instant(revision))
    return found | {
        "problems": [one | {"lines": excerpt(one)} for one in found["problems"]],
        "project": project,
        "wrong": wrong,
        "since": relative(changed, seen.instant) if changed else "",
        "changed": changed,
        "commit": where.key[:DIGITS],
        "author": revision.get("author", ""),
        "subject": revision.get("subject", ""),
        **(_instead(where, jobs, seen) if wrong else {"instead": ""}),
    }


def _revision(where: Place) -> Mapping[str, Any]:
    """Return what is known of the revision that the file is of."""
    known = facts().ground.project(where.project) if where.key else None
    if known is None:
        return {}
    revisions = [*known.get("revisions", ()), *filter(None, [known.get("attempted")])]
    found: Mapping[str, Any] = next((one for one in revisions if one["key"].startswith(where.key)), {})
    return found


def _instant(revision: Mapping[str, Any]) -> str | None:
    return revision.get("at") or revision.get("published_at") or None


def _instead(where: Place, jobs: Sequence[Document], seen: Readings) -> dict[str, Any]:
    """Return in `instead` what runs while the file is broken: `version`, before, others or nothing."""
    stale = set(seen.catalog.get("stale", ()))
    same = [job for job in jobs if not job.get("deleted") and _same(place(job["file"]), where)]
    held = [job for job in same if job["id"] in stale]
    live = _live(where.project, seen) if where.key else ""
    kept = place(held[0]["file"]).key if held else ""
    version = kept or ("" if not live or live.startswith(where.key) else live)
    kind = "version" if version and (held or same) else "before" if held else "others" if same else "nothing"
    return {"instead": kind, "version": version[:DIGITS], "held": [job["id"] for job in held or same]}


def _same(one: Place, other: Place) -> bool:
    return (one.project, one.path) == (other.project, other.path)


def _live(project: str, seen: Readings) -> str:
    """Return the key of the revision of the project that is live, "" where none is."""
    applied = next((one.get("applied") for one in seen.projects if one["id"] == project), None) or {}
    return str(applied.get("revision", "")).rpartition(":")[2]


def _groups(files: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the files by project, projects with errors first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        groups.setdefault(file["project"], []).append(file)
    return sorted(groups.items(), key=lambda group: (not any(file["wrong"] for file in group[1]), group[0]))


def _told_by(problem: Document, sources: Collection[Document]) -> bool:
    """Return True for a problem of a project as a whole that is told with its source."""
    files = {f"projects/{one['id']}" for one in sources}
    return problem["code"] in TOLD_BY_SOURCE and problem["file"] in files


def _dated(source: Document, seen: Readings) -> Document:
    attempted = source.get("attempted") or {}
    at, poll = from_text(attempted.get("at") or None), from_text(source.get("next_poll"))
    applied = str((source.get("applied") or {}).get("revision", "")).rpartition(":")[2]
    return source | {
        "since": "" if source.get("unreachable") or not at else relative(at, seen.instant),
        "next": relative(poll, seen.instant) if poll else "",
        "live": applied[:DIGITS],
    }
