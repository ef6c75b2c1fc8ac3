"""Projects: where code comes from, what of it is live, and what it was before."""

from __future__ import annotations

from apiflask import APIBlueprint, HTTPError

from windmill.core.documents import Document
from windmill.dashboard import projects
from windmill.dashboard.api import models

blueprint = APIBlueprint("projects", __name__, tag="Projects")


@blueprint.get("/projects")
@blueprint.output(models.Projects)
@blueprint.doc(operation_id="listProjects")
def listed() -> Document:
    """List every project that has jobs or a source."""
    return {"items": [_told(row) for row in projects.every()]}


@blueprint.get("/projects/<project>")
@blueprint.output(models.Project)
@blueprint.doc(operation_id="getProject")
def one(project: str) -> Document:
    """Return one project."""
    return _told(project_named(project))


@blueprint.get("/projects/<project>/revisions")
@blueprint.output(models.Revisions)
@blueprint.doc(operation_id="listRevisions")
def revisions(project: str) -> Document:
    """List the revisions of a project: what was tried last, what is live, and what was live before."""
    row = project_named(project)
    applied, attempted = _live(row), _attempted(row)
    items = [one for one in (attempted, applied) if one]
    if applied and attempted and attempted["revision"] == applied["revision"]:
        items = [attempted | applied]
    named = tuple(one["revision"] for one in items)
    older = [key for key in row.get("recent") or () if not any(name.endswith(key) for name in named)]
    return {"items": items + [{"revision": key, "live": False} for key in older]}


def project_named(project: str) -> Document:
    """Return the project. Raises HTTPError 404."""
    known = next((row for row in projects.every() if row["id"] == project), None)
    if known is None:
        raise HTTPError(404, f"There is no project {project}.")
    return known


def _told(row: Document) -> Document:
    return row | {"applied": _live(row), "attempted": _attempted(row)}


def _live(row: Document) -> Document | None:
    return {**row["applied"], "live": True} if row["applied"] else None


def _attempted(row: Document) -> Document | None:
    """Return what was tried last; that it went live says the outcome."""
    attempted = row.get("attempted")
    return {**attempted, "live": attempted.get("outcome") == "published"} if attempted else None
