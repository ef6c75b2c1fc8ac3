"""What an execution wrote: whole as plain text, in pieces for who asks again, and live as server-sent events."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import ServiceUnavailable

from windmill.core.documents import Document
from windmill.core.errors import NotFound, Unavailable
from windmill.core.model import TERMINAL
from windmill.core.ports import OutputBlock, Store
from windmill.dashboard.context import facts, store
from windmill.dashboard.failures import RETRY_SECONDS

STREAMS_MAX: Final = 128  # of 160 threads, so that pages always have some
PIECE: Final = 256 << 10  # bytes asked for at once
LOOK_SECONDS: Final = 0.2
SILENCE_SECONDS: Final = 15.0  # after which a comment keeps the connection open
_SLOTS: Final = "windmill.streams"
_IDENTITY: Final = re.compile("[0-9a-f]{16}")
_FRAME: Final = re.compile("[0-9]{1,15}")

blueprint = APIBlueprint("output", __name__, enable_openapi=False)


def install(app: Flask) -> None:
    """Give the application its streams."""
    app.extensions[_SLOTS] = threading.BoundedSemaphore(STREAMS_MAX)


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
    answer = Response(_everything(execution, facts().open_store), content_type="text/plain; charset=utf-8")
    if request.args.get("download"):
        answer.headers["Content-Disposition"] = f"attachment; filename={identity}.txt"
    return answer


@blueprint.get("/api/v1/executions/<identity>")
def one(identity: str) -> Document:
    """Return the execution."""
    return find(identity)


@blueprint.get("/api/v1/executions/<identity>/output")
def piece(identity: str) -> Response:
    """Return the output that follows frame `after`, about PIECE bytes of it.

    X-Output-Next is the `after` of the next piece; X-Output-State is the execution's state as it was before the
    output was read: nothing follows an empty piece of an execution that had ended.
    """
    execution, after = find(identity), _after()
    blocks = store().output(identity, after=after, limit=PIECE)
    answer = Response(b"".join(block.data for block in blocks), mimetype="application/octet-stream")
    answer.headers["X-Output-Next"] = str(_last(blocks, after))
    answer.headers["X-Output-State"] = execution["state"]
    return answer


@blueprint.get("/api/v1/executions/<identity>/output/stream")
def stream(identity: str) -> Response:
    """Return the output that follows frame `after`, or the last one received, as it comes, as events.

    Each carries a block as base64, and its last frame as the event's id. An `end` event with the execution's state
    is the last. 503 while as many as can be are watching.
    """
    find(identity)
    after = _after()
    if request.method == "HEAD":  # nobody would close what nobody reads
        return Response(mimetype="text/event-stream")
    slots: threading.BoundedSemaphore = current_app.extensions[_SLOTS]
    if not slots.acquire(blocking=False):
        raise ServiceUnavailable("As many as can be are watching live; ask again.", retry_after=RETRY_SECONDS)
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    answer = Response(_events(identity, after, facts().open_store, gone), mimetype="text/event-stream")
    answer.headers["X-Accel-Buffering"] = "no"
    answer.call_on_close(slots.release)
    return answer


def _events(
    identity: str, after: int, open_store: Callable[[bool], Store], gone: Callable[[], bool]
) -> Iterator[str]:
    """Yield events until the execution has ended, the viewer left or the store is away; the browser comes again."""
    yield "retry: 1000\n\n"
    silent_since = time.monotonic()
    try:
        with closing(open_store(True)) as read:
            while not gone():
                execution = read.execution(identity)  # before its output: what comes with its end is not missed
                blocks = read.output(identity, after=after, limit=PIECE)
                yield from map(_event, blocks)
                after = _last(blocks, after)
                if not blocks and (execution is None or execution["state"] in TERMINAL):
                    yield f"event: end\ndata: {execution['state'] if execution else 'gone'}\n\n"
                    return
                if blocks:
                    silent_since = time.monotonic()
                    continue
                if time.monotonic() - silent_since > SILENCE_SECONDS:
                    yield ": still here\n\n"
                    silent_since = time.monotonic()
                time.sleep(LOOK_SECONDS)
    except Unavailable:
        return


def _event(block: OutputBlock) -> str:
    return f"id: {block.last}\ndata: {base64.b64encode(block.data).decode()}\n\n"


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


def _last(blocks: list[OutputBlock], after: int) -> int:
    return max([after, *(block.last for block in blocks)])


def _after() -> int:
    """Return after which frame the viewer wants to go on; a browser that comes again says so itself."""
    given = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    return int(given) if _FRAME.fullmatch(given) else 0
