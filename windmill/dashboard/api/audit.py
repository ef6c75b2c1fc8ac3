"""Who asked what of the scheduler, when and from where, and what became of it."""

from __future__ import annotations

from apiflask import APIBlueprint, HTTPError

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.dashboard.api import models
from windmill.dashboard.api.edge import WISH, Paged, matches, mistaken
from windmill.dashboard.context import store

blueprint = APIBlueprint("audit", __name__, tag="Audit")


@blueprint.get("/audit")
@blueprint.input(Paged, location="query", arg_name="asked")
@blueprint.output(models.Audit)
@blueprint.doc(operation_id="listRequests")
def listed(asked: Paged) -> Document:
    """List what was asked of the scheduler, newest first."""
    try:
        page = store().requests(limit=asked.limit, cursor=asked.cursor or None)
    except Refused as error:
        raise mistaken("query", "cursor", error.message) from None
    return {"items": page.items, "next": page.next}


@blueprint.get("/requests/<wish>")
@blueprint.output(models.Wish)
@blueprint.doc(operation_id="getRequest")
def one(wish: str) -> Document:
    """Return one request, and what became of it."""
    known = store().request(wish) if matches(WISH, wish) else None
    if known is None:
        raise HTTPError(404, "There is no request with this number.")
    return known
