"""What the failures of a job have in common, from the entries of an index of the embedded store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document, to_text
from windmill.core.model import FAILURES
from windmill.core.ports import FAILURES_COUNTED
from windmill.store.documents import milliseconds
from windmill.store.listing import instant_of

_EVER: Final = 2**63 - 1
_OF_A_STATE: Final = """
SELECT * FROM (SELECT failure, queued_at, id FROM execution INDEXED BY execution_by_job
    WHERE job = ? AND state = ? AND queued_at >= ? AND queued_at < ? ORDER BY queued_at DESC, id DESC LIMIT ?)"""
_NEWEST: Final = f"""
SELECT failure, queued_at, id FROM ({" UNION ALL ".join([_OF_A_STATE] * len(FAILURES))})
ORDER BY queued_at DESC, id DESC LIMIT ?"""  # noqa: S608 - only literals of this module


def select_failures(job: str, *, since: datetime | None, until: datetime | None) -> tuple[str, list[Any]]:
    """Return the query for the rows of `failure_groups`: one seek for each state, merged."""
    begin = 0 if since is None else milliseconds(since)
    end = _EVER if until is None else milliseconds(until)
    values = [value for state in sorted(FAILURES) for value in (job, str(state), begin, end, FAILURES_COUNTED)]
    return _NEWEST, [*values, FAILURES_COUNTED]


def failure_groups(rows: Iterable[Sequence[Any]]) -> list[Document]:
    """Return {fingerprint, count, first, first_at, last, last_at} of rows that come newest first, in that order."""
    found: dict[str, Document] = {}
    for failure, queued_at, identity in rows:
        if failure:
            newest = {"fingerprint": failure, "count": 0, "last": identity, "last_at": queued_at}
            group = found.setdefault(failure, newest)
            group |= {"count": group["count"] + 1, "first": identity, "first_at": queued_at}
    return [
        one | {name: to_text(instant_of(one[name])) for name in ("first_at", "last_at")} for one in found.values()
    ]
