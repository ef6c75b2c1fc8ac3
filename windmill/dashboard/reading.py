"""A part of an execution's output as lines: its end, or what follows a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from flask import request, url_for

from windmill.core.documents import Document
from windmill.core.ports import OutputBlock, Store, Stream
from windmill.dashboard.context import store
from windmill.dashboard.output import cut
from windmill.dashboard.text import Line, decoded, lines

SHOWN: Final = 256 << 10  # bytes at the end of the output
LINES: Final = 5000  # at the end of these
LOADED_MAX: Final = 10 << 20  # bytes that a page takes at most, however it asks
_FRAME: Final = re.compile("[0-9]{1,15}")
STREAMS: Final = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines that follow frame `after`, the first of which has the number `first`.

    `empty` says that nothing at all is kept, whatever stream; `last` is the last frame of the part, and `more` that
    others follow it. `skipped` lines of the part stand before the first that is shown. `asked` says that a frame was
    named, else it is the end.
    """

    asked: bool
    after: int
    first: int
    last: int
    lines: list[Line]
    skipped: int
    empty: bool
    more: bool
    stream: str
    times: bool
    wrap: bool


def part(execution: Document) -> Part:
    """Return the part of the output that the request asks for."""
    read, identity, note = store(), execution["id"], cut(execution)
    asked, stream = request.args.get("after"), request.args.get("stream", "")
    if asked is None:
        blocks = read.output_tail(identity, size=SHOWN)
        after = blocks[0].first - 1 if blocks else 0
    else:
        after = frame(asked)
        blocks = read.output(identity, after=after, limit=SHOWN)
    last = max([after, *(block.last for block in blocks)])
    wanted = STREAMS.get(stream)
    first = 1 + _lines_before(read, identity, after, wanted, note)
    found = lines(_of(blocks, wanted), note=note, first=first, before=after if wanted is None else None)
    if asked is None and after and len(found) > 1:
        del found[0]  # the rest of a line
    return Part(
        asked=asked is not None,
        after=after,
        first=first,
        last=last,
        lines=found[-LINES:],
        skipped=len(found[:-LINES]),
        empty=not blocks and after == 0,
        more=asked is not None and bool(read.output(identity, after=last, limit=1)),
        stream=stream if wanted else "",
        times=bool(request.args.get("times")),
        wrap=request.args.get("wrap") != "0",
    )


def address(identity: str, shown: Part, **changes: str | int | None) -> str:
    """Return where the part is seen, or with changes; None leaves something out."""
    query = {
        "after": shown.after if shown.asked or shown.after else None,
        "stream": shown.stream or None,
        "times": 1 if shown.times else None,
        "wrap": None if shown.wrap else 0,
    } | changes
    kept: dict[str, Any] = {name: value for name, value in query.items() if value is not None}
    return url_for("execution.execution", identity=identity, **kept)


def frame(given: str) -> int:
    """Return the number of a frame, 0 for what is none."""
    return int(given) if _FRAME.fullmatch(given) else 0


def _lines_before(read: Store, identity: str, after: int, wanted: Stream | None, note: str) -> int:
    """Return how many lines end in the frames up to `after`, 0 where that is too much to count."""
    position = counted = size = 0
    while position < after and (blocks := read.output(identity, after=position, limit=SHOWN)):
        blocks = [block for block in blocks if block.last <= after]
        size += sum(len(block.data) for block in blocks)
        if not blocks or size > LOADED_MAX:
            return 0 if size > LOADED_MAX else counted
        before = position if wanted is None else None
        counted += decoded(_of(blocks, wanted), note=note, before=before).count("\n")
        position = blocks[-1].last
    return counted


def _of(blocks: list[OutputBlock], wanted: Stream | None) -> list[OutputBlock]:
    return blocks if wanted is None else [block for block in blocks if block.stream == wanted]
