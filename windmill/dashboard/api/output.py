"""What an execution wrote: in pieces for who asks again, and live as server-sent events."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BaseModel, Field, StringConstraints
from werkzeug.exceptions import ServiceUnavailable

from windmill.core.documents import Document, to_text
from windmill.core.ports import OutputBlock, Stream
from windmill.dashboard.api.edge import Query, Responses
from windmill.dashboard.context import facts, store
from windmill.dashboard.failures import RETRY_SECONDS
from windmill.dashboard.output import cut, find
from windmill.dashboard.streams import PIECE, events, last, streams
from windmill.dashboard.text import decoded, plain

blueprint = APIBlueprint("output", __name__, tag="Output")

TAIL_MAX: Final = 10_000  # lines
FRAME_MAX: Final = 10**15 - 1
TYPES: Final = {
    "raw": "application/octet-stream",
    "text": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
_PIECE: Final[Responses] = {
    200: {
        "description": "The output",
        "content": {
            TYPES["raw"]: {"schema": {"type": "string", "format": "binary"}},
            "text/plain": {"schema": {"type": "string"}},
            TYPES["jsonl"]: {"schema": {"type": "string"}},
        },
        "headers": {
            "X-Output-Next": {"schema": {"type": "integer"}, "description": "`after` of the next piece."},
            "X-Output-State": {"schema": {"type": "string"}, "description": "The state before this was read."},
        },
    }
}
_STREAMS: Final = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}

EVENT: Final = {
    "type": "object",
    "description": "An event, whose data is of a block of output, or of the end.",
    "properties": {
        "event": {"enum": ["message", "end"]},
        "id": {"type": "string", "description": "The last frame of the block."},
        "data": {
            "type": "string",
            "description": "Milliseconds since the epoch, stream, and bytes as base64; of `end`, the state.",
        },
    },
    "required": ["data"],
}
_EVENTS: Final[Responses] = {200: {"description": "Events", "content": {"text/event-stream": {"schema": EVENT}}}}

Frame = Annotated[int, Field(ge=0, le=FRAME_MAX)]


class After(Query):
    """From where on."""

    after: Frame = Field(default=0, description="The frame that the output is to follow.")


class Piece(After):
    """What of the output, and in which form."""

    tail: Annotated[int, Field(ge=1, le=TAIL_MAX)] | None = Field(
        default=None, description="Only that many lines at the end, instead of what follows a frame."
    )
    stream: Literal["stdout", "stderr"] | None = Field(default=None, description="Only what was written there.")
    format: Literal["raw", "text", "jsonl"] = Field(
        default="raw", description="As bytes, as text that steers no terminal, or as a JSON object for each block."
    )


class Seen(BaseModel):
    """What the viewer has already."""

    last_event_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$")] | None = Field(
        default=None, description="The id of the last event received; it wins over `after`."
    )


@blueprint.get("/executions/<identity>/output")
@blueprint.input(Piece, location="query", arg_name="asked")
@blueprint.doc(operation_id="getOutput", responses=_PIECE)
def piece(identity: str, asked: Piece) -> Response:
    """Return the output that follows a frame, or its last lines; about 256 KiB at most.

    Nothing follows an empty piece of an execution that had ended. The lines of `jsonl` are objects
    {first, last, stream, at, text}: of which frames, from where, when the first of it was written, and what.
    """
    execution = find(identity)
    if asked.tail:
        blocks = _tail(store().output_tail(identity, size=PIECE), asked)
        following = store().last_sequence(identity)
    else:
        blocks = store().output(identity, after=asked.after, limit=PIECE)
        following = last(blocks, asked.after)
        blocks = _of(blocks, asked)
    content = _FORMS[asked.format](blocks, execution)
    answer = Response(content, content_type=TYPES[asked.format])
    answer.headers["X-Output-Next"] = str(following)
    answer.headers["X-Output-State"] = execution["state"]
    return answer


@blueprint.get("/executions/<identity>/output/stream")
@blueprint.input(After, location="query", arg_name="asked")
@blueprint.input(Seen, location="headers", arg_name="seen")
@blueprint.doc(operation_id="streamOutput", responses=_EVENTS)
def stream(identity: str, asked: After, seen: Seen) -> Response:
    """Return the output that follows a frame as it comes, as server-sent events.

    Each carries a block: when it was written in milliseconds since the epoch, from which stream, and what as base64,
    parted by spaces; and its last frame as the event's id. An `end` event with the execution's state
    is the last. 503 while as many as can be are watching.
    """
    find(identity)
    if request.method == "HEAD":  # nobody would close what nobody reads
        return Response(mimetype="text/event-stream")
    places = streams()
    if not places.take():
        raise ServiceUnavailable("As many as can be are watching live; ask again.", retry_after=RETRY_SECONDS)
    after = int(seen.last_event_id) if seen.last_event_id else asked.after
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    answer = Response(events(identity, after, facts().open_store, gone), mimetype="text/event-stream")
    answer.headers["X-Accel-Buffering"] = "no"
    answer.call_on_close(places.leave)
    return answer


def _of(blocks: Iterable[OutputBlock], asked: Piece) -> list[OutputBlock]:
    return [block for block in blocks if asked.stream is None or block.stream == _STREAMS[asked.stream]]


def _tail(blocks: list[OutputBlock], asked: Piece) -> list[OutputBlock]:
    """Return the blocks from the beginning of the line on that is so many before the end."""
    found: list[OutputBlock] = []
    missing = asked.tail or 0
    for index, block in enumerate(reversed(_of(blocks, asked))):
        lines = block.data.splitlines(keepends=True)
        begun = index > 0 and bool(lines) and not lines[-1].endswith(b"\n")  # its last line was counted already
        if len(lines) - begun > missing:
            rest = b"".join(lines[len(lines) - begun - missing :])
            return [block._replace(data=rest), *found] if rest else found
        found.insert(0, block)
        missing -= len(lines) - begun
    return found


def _raw(blocks: Iterable[OutputBlock], _: Document) -> bytes:
    return b"".join(block.data for block in blocks)


def _text(blocks: Iterable[OutputBlock], execution: Document) -> str:
    return plain(decoded(blocks, note=cut(execution)))


def _jsonl(blocks: Iterable[OutputBlock], _: Document) -> str:
    return "".join(json.dumps(line) + "\n" for line in _lines(blocks))


def _lines(blocks: Iterable[OutputBlock]) -> Iterator[dict[str, Any]]:
    decoders: dict[int, codecs.IncrementalDecoder] = {}
    for block in blocks:
        decoder = decoders.setdefault(block.stream, codecs.getincrementaldecoder("utf-8")("replace"))
        yield {
            "first": block.first,
            "last": block.last,
            "stream": Stream(block.stream).name.lower(),
            "at": to_text(datetime.fromtimestamp(block.at / 1000, UTC)),
            "text": decoder.decode(block.data),
        }


_FORMS: Final[dict[str, Callable[[list[OutputBlock], Document], str | bytes]]] = {
    "raw": _raw,
    "text": _text,
    "jsonl": _jsonl,
}
