"""How long executions stay: from what a job wants and the time to what a store is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from windmill.core.documents import Document
from windmill.core.model import Keep, State

MAX_DAYS: Final = 36_500
MAX_RUNS: Final = 10_000_000


class Bounds(TypedDict):
    """What `ports.Store.expired` is asked with."""

    before: datetime | None
    beyond: int | None


def keep_of(job: Mapping[str, Any]) -> Keep:
    """Return what a job's stored document says of keeping; the defaults for one that no catalog ever named."""
    written = job.get("keep")
    return Keep(days=written["days"], runs=written["runs"]) if written else Keep()


def bounds(keep: Keep, now: datetime) -> Bounds:
    """Return what of a job need not be kept any more at `now`."""
    return {"before": now - timedelta(days=keep.days) if keep.days is not None else None, "beyond": keep.runs}


def kept_bytes(execution: Mapping[str, Any]) -> int | None:
    """Return how much output of an ended execution is stored; None where nobody lived to count it."""
    if execution["state"] == State.LOST:
        return None
    return max(0, int(execution["output_bytes"]) - int(execution["cut_bytes"]))


def piece(executions: Sequence[Document], size: int) -> list[Document]:
    """Return the first executions whose output is together at most `size` bytes, but at least one.

    One whose output was not counted comes alone.
    """
    taken: list[Document] = []
    for execution in executions:
        known = kept_bytes(execution)
        size -= known if known is not None else size + 1
        if taken and size < 0:
            break
        taken.append(execution)
    return taken
