"""What an execution wrote, whole, as plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from apiflask import APIBlueprint
from flask import Response, request

from windmill.core.documents import Document
from windmill.core.errors import NotFound
from windmill.core.ports import Store
from windmill.dashboard.context import facts, store
from windmill.dashboard.streams import PIECE

_IDENTITY: Final = re.compile("[0-9a-f]{16}")

blueprint = APIBlueprint("output", __name__, enable_openapi=False)


def find(identity: str) -> Document:
    """Return the execution. Raises NotFound in words."""
    found = store().execution(identity) if _IDENTITY.fullmatch(identity) else None
    if found is None:
        raise NotFound("There is no execution with this number. It may have been removed, as old ones are.")
    return found


@blueprint.get("/executions/<identity>/output.txt")
def whole(identity: str) -> Response:
    """Return everything kept of the output, as the job wrote it; ?download=1 saves it to a file."""
    execution = find(identity)
    head = request.method == "HEAD"  # nobody would read it
    written = () if head else _everything(execution, facts().open_store)
    answer = Response(written, content_type="text/plain; charset=utf-8")
    if request.args.get("download"):
        answer.headers["Content-Disposition"] = f"attachment; filename={identity}.txt"
    return answer


def _everything(execution: Document, open_store: Callable[[bool], Store]) -> Iterator[bytes]:
    after = 0
    with closing(open_store(True)) as read:
        while blocks := read.output(execution["id"], after=after, limit=PIECE):
            for block in blocks:
                if block.first > after + 1:
                    yield f"\n[... {cut(execution)} ...]\n".encode()
                yield block.data
                after = max(after, block.last)


def cut(execution: Document) -> str:
    """Return in words what of the output was not kept."""
    return f"{execution['cut_bytes']:,} bytes cut" if execution["cut_bytes"] else "output cut"
