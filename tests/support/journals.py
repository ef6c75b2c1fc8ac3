"""Frames as runner and scheduler write them, numbered executions in a real journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.executions import document, identity
from windmill.core.model import State
from windmill.core.ports import Frame, Kind, Stream
from windmill.execution.journal import Reader, Writer

AT = 1_767_225_600_000


def record(number: int, state: State = State.RUNNING, **facts: Any) -> Frame:
    """Return the frame that records execution `number`; END for a state that is terminal and not skipped."""
    kind = Kind.RECORD if state in (State.QUEUED, State.RUNNING, State.SKIPPED) else Kind.END
    return Frame(kind, identity(number), 0, 0, AT, json.dumps(document(number, state, **facts)).encode())


def output(number: int, sequence: int, data: bytes = b"", stream: Stream = Stream.STDOUT) -> Frame:
    """Return one output frame; its data names it unless given."""
    return Frame(
        Kind.OUTPUT, identity(number), sequence, stream, AT + sequence, data or b"%d:%d;" % (number, sequence)
    )


def drop(number: int, first: int, last: int) -> Frame:
    """Return the frame that gives up output frames first..last."""
    return Frame(Kind.DROP, identity(number), 0, 0, AT, json.dumps({"first": first, "last": last}).encode())


def writer(directory: Path, stream: str, *, segment_size: int = 16 << 20) -> Writer:
    """Return the writer of a stream with an empty checkpoint."""
    return Writer(
        directory,
        stream,
        boot_id="b" * 36,
        now_ms=lambda: AT,
        checkpoint=list,
        segment_size=segment_size,
        reserve=4096,
    )


def segments(directory: Path, stream: str) -> list[str]:
    """Return the names of a stream's segments."""
    return sorted(path.name for path in (directory / stream).glob("*.seg"))


__all__ = ["AT", "Reader", "drop", "output", "record", "segments", "writer"]
