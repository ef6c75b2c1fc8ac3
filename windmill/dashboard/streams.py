"""Output as it comes, as server-sent events: at most so many at once that pages always have a thread."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, cast

from flask import Flask, current_app

from windmill.core.errors import Unavailable
from windmill.core.model import TERMINAL
from windmill.core.ports import OutputBlock, Store, Stream

STREAMS_MAX: Final = 128  # of 160 threads
PIECE: Final = 256 << 10  # bytes asked for at once
LOOK_SECONDS: Final = 0.2
SILENCE_SECONDS: Final = 15.0  # after which a comment keeps the connection open
_KEY: Final = "windmill.streams"


class Streams:
    """Places for those who watch."""

    def __init__(self, places: int = STREAMS_MAX) -> None:
        self._lock = threading.Lock()
        self._places = places
        self.taken = 0

    def take(self) -> bool:
        """Take a place, and return whether there was one."""
        with self._lock:
            found = self.taken < self._places
            self.taken += found
        return found

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self.taken -= 1


def install(app: Flask) -> None:
    """Give the application its streams."""
    app.extensions[_KEY] = Streams()


def streams() -> Streams:
    """Return the streams of this process."""
    return cast(Streams, current_app.extensions[_KEY])


def watching() -> int:
    """Return how many watch now."""
    return streams().taken


def events(identity: str, after: int, open_store: Callable[[bool], Store], gone: Callable[[], bool]) -> Iterator[str]:
    """Yield events until the execution has ended, the viewer left or the store is away; the browser comes again."""
    yield "retry: 1000\n\n"
    silent_since = time.monotonic()
    try:
        with closing(open_store(True)) as read:
            while not gone():
                execution = read.execution(identity)  # before its output: what comes with its end is not missed
                blocks = read.output(identity, after=after, limit=PIECE)
                yield from map(event, blocks)
                after = last(blocks, after)
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


def last(blocks: list[OutputBlock], after: int) -> int:
    """Return the last frame that is known once the blocks are, where those up to `after` were before."""
    return max([after, *(block.last for block in blocks)])


def event(block: OutputBlock) -> str:
    """Return the block as an event: when it was written, in milliseconds, from which stream, and what, as base64."""
    data = base64.b64encode(block.data).decode()
    return f"id: {block.last}\ndata: {block.at} {Stream(block.stream).name.lower()} {data}\n\n"
