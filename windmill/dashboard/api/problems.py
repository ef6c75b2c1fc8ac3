"""What is wrong in files."""

from __future__ import annotations

from apiflask import APIBlueprint

from windmill.core.documents import Document
from windmill.dashboard.api import models
from windmill.dashboard.context import store

blueprint = APIBlueprint("problems", __name__, tag="Problems")


@blueprint.get("/problems")
@blueprint.output(models.Problems)
@blueprint.doc(operation_id="listProblems")
def listed() -> Document:
    """List the problems of the files that were read last."""
    catalog = store().status("catalog") or {}
    return {"items": catalog.get("problems", []), "files": catalog.get("files", 0), "at": catalog.get("at")}
