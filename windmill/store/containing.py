"""Executions whose output contains a text, found by reading the output of those that the rest of a filter leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from windmill.core.documents import Document
from windmill.core.ports import LOOKED_INTO, ExecutionFilter, Page, Store
from windmill.store.listing import cursor_after

_AT_ONCE: Final = 100  # executions asked for
_EACH: Final = 4 << 20  # bytes read of an execution
_ALL: Final = 32 << 20  # bytes read for a page


def containing(store: Store, wanted: ExecutionFilter, *, limit: int, cursor: str | None) -> Page:
    """Return a page of what is wanted, as far as its output may be looked into at once."""
    needle = wanted.contains.encode("utf-8", "surrogatepass")  # what is no text is found nowhere
    rest = replace(wanted, contains="")
    items: list[Document] = []
    looked, left = 0, _ALL
    while True:
        page = store.executions(rest, limit=min(_AT_ONCE, LOOKED_INTO - looked), cursor=cursor)
        for one in page.items:
            contains, size = _looked_into(store, one, needle)
            looked, left = looked + 1, left - size
            items += [one] if contains else []
            if len(items) == limit:
                return Page(items=items, next=cursor_after(one))
            if looked == LOOKED_INTO or left <= 0:
                return Page(items=items, next=cursor_after(one), looked_until=one["queued_at"])
        if page.next is None or page.looked_until is not None:
            return replace(page, items=items)
        cursor = page.next


def _looked_into(store: Store, execution: Document, needle: bytes) -> tuple[bool, int]:
    """Return whether the needle is in what is read of the output, wherever blocks end, and how much that was."""
    size, before = 0, dict[int, bytes]()
    if execution["state"] == "skipped":
        return False, size
    for block in store.output(execution["id"], limit=_EACH):
        size += len(block.data)
        data = before.get(block.stream, b"") + block.data
        if needle in data:
            return True, size
        before[block.stream] = data[max(0, len(data) - len(needle) + 1) :]
    return False, size
