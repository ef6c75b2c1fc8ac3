"""/executions/ID: what came of an execution, why, and what it wrote."""

from __future__ import annotations

from typing import Final

from apiflask import APIBlueprint
from flask import render_template

from windmill.core.documents import Document
from windmill.core.model import FAILURES, TERMINAL
from windmill.core.ports import OutputBlock
from windmill.dashboard import records
from windmill.dashboard.context import now, store
from windmill.dashboard.output import cut, find
from windmill.dashboard.text import decoded, plain

SHOWN: Final = 256 << 10  # bytes at the end of the output
LAST_WORDS: Final = 300  # characters of the line that a failure ended with

blueprint = APIBlueprint("execution", __name__, enable_openapi=False)
blueprint.add_app_template_filter(records.size, "size")
blueprint.add_app_template_filter(records.clock, "clock")


@blueprint.get("/executions/<identity>")
def execution(identity: str) -> str:
    """Show the execution: a failure's reason first, then the facts, then the end of its output as text."""
    document, read, instant = find(identity), store(), now()
    blocks = read.output_tail(identity, size=SHOWN)
    output = _text(document, blocks)
    before, after = read.neighbours(document)
    recent = read.recent([document["job"]]).get(document["job"], [])
    return render_template(
        "execution.html",
        execution=records.told(document, instant),
        failed=document["state"] in FAILURES,
        ended=document["state"] in TERMINAL,
        usual=records.usual(one for one in recent if one["id"] != identity),
        last_words=_last_words(output) if document["state"] in FAILURES else "",
        output=output,
        shortened=bool(blocks) and (blocks[0].first > 1 or sum(len(block.data) for block in blocks) > SHOWN),
        begins_after=blocks[0].first - 1 if blocks else 0,
        before=before,
        after=after,
    )


def _text(document: Document, blocks: list[OutputBlock]) -> str:
    """Return the end of the output, from the beginning of a line where there is one."""
    excess = sum(len(block.data) for block in blocks) - SHOWN
    if excess > 0:
        first, *rest = blocks
        blocks = [first._replace(data=first.data[excess:].partition(b"\n")[2] or first.data[excess:]), *rest]
    return plain(decoded(blocks, note=cut(document)))


def _last_words(output: str) -> str:
    """Return the last line that says something: of a Python program that failed, the exception."""
    return next((line.strip()[:LAST_WORDS] for line in reversed(output[-8192:].split("\n")) if line.strip()), "")
