"""What the store holds against what must be there: slots with their verdicts, executions, and lines of output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.faults.workload import STEP
from windmill.core.documents import Document, from_document
from windmill.core.model import TERMINAL, Execution
from windmill.core.ports import ExecutionFilter, Store

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of one run; all but the first five must be 0, and lateness is milliseconds."""

    due: int
    recorded: int  # executions
    written: int  # lines
    stored: int  # lines
    acknowledged: int  # executions that the store showed as ended before the fault
    missing: int  # slots without a verdict
    double: int  # slots with more than one
    unended: int  # executions that came to their end and have none in the store
    lines_missing: int
    lines_double: int
    lines_disordered: int
    forgotten: int  # acknowledged executions that are not there any more
    lateness: int  # of starts after their slots, p99

    def wrong(self) -> dict[str, int]:
        """Return what is not as it must be, by name."""
        names = ("missing", "double", "unended", "lines_missing", "lines_double", "lines_disordered", "forgotten")
        return {name: number for name in names if (number := getattr(self, name))}


def executions(store: Store) -> list[Execution]:
    """Return all executions in the store."""
    found: list[Document] = []
    cursor: str | None = None
    while True:
        page = store.executions(ExecutionFilter(), limit=PAGE, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return [from_document(document) for document in found]


def ended(found: list[Execution]) -> set[str]:
    """Return the ids of those that have ended."""
    return {one.id for one in found if one.state in TERMINAL}


def settled(found: list[Execution], due: set[tuple[str, datetime]], written: Mapping[str, int]) -> bool:
    """Return True when nothing more is to come."""
    covered = {slot for one in found if one.state in TERMINAL for slot in slots(one)}
    return due <= covered and written.keys() <= ended(found)


def count(store: Store, due: set[tuple[str, datetime]], written: Mapping[str, int], seen: set[str]) -> Counts:
    """Count what the store holds; `written` are lines by execution, `seen` the executions it showed as ended."""
    found = executions(store)
    verdicts = Counter(slot for one in found for slot in slots(one))
    lines = {identity: numbers(store, identity) for identity in written}
    late = sorted(1000 * (one.started_at - one.slot).total_seconds() for one in found if one.started_at and one.slot)
    return Counts(
        due=len(due),
        recorded=len(found),
        written=sum(written.values()),
        stored=sum(map(len, lines.values())),
        acknowledged=len(seen),
        missing=len(due - verdicts.keys()),
        double=sum(times > 1 for times in verdicts.values()),
        unended=len(written.keys() - ended(found)),
        lines_missing=sum(len(set(range(1, written[one] + 1)) - set(lines[one])) for one in lines),
        lines_double=sum(len(one) - len(set(one)) for one in lines.values()),
        lines_disordered=sum(a > b for one in lines.values() for a, b in pairwise(one)),
        forgotten=len(seen - ended(found)),
        lateness=round(late[len(late) * 99 // 100]) if late else 0,
    )


def slots(execution: Execution) -> Iterator[tuple[str, datetime]]:
    """Yield every slot that the execution is the verdict on."""
    if execution.slot is not None:
        slot = execution.coalesced_from or execution.slot
        while slot <= execution.slot:
            yield execution.job, slot
            slot += STEP


def numbers(store: Store, identity: str) -> list[int]:
    """Return the numbers of an execution's lines as they are stored; another execution's line counts as number 0."""
    parts, after = [], 0
    while blocks := store.output(identity, after=after):
        parts += [block.data for block in blocks]
        after = blocks[-1].last
    lines: list[Any] = [line.split() for line in b"".join(parts).splitlines()]
    return [int(line[1]) if line[0] == identity.encode() else 0 for line in lines]
