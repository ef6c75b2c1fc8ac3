"""What no store takes: found in a batch, set aside for a person to look at, and passed over."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from windmill.core.documents import Document, to_text
from windmill.core.errors import Unavailable, WindmillError
from windmill.core.ports import Batch, Drop, OutputBlock, Store

FILES_MAX: Final = 100
TEXT_MAX: Final = 64 << 10  # characters of an item that are kept

_LOG: Final = logging.getLogger(__name__)
_AWAY: Final = (Unavailable, OSError)  # trying again later is right


class Item(NamedTuple):
    """One thing of a batch. Kinds: execution, output, drop, job, status, answer, definition."""

    kind: str
    name: str
    value: Any


class Rejects:
    """Items set aside as `<directory>/<time>-<kind>.json`: the newest `FILES_MAX`, each cut to `TEXT_MAX`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self.count = len(self._files())  # those that lie there, and those that were set aside since

    def add(self, item: Item, reason: str, now: datetime) -> None:
        """Set the item aside, and say so. Never raises: what cannot even be kept must not hold up the rest."""
        self.count += 1
        _LOG.error(
            "the %s of %s cannot be stored and is set aside in %s: %s", item.kind, item.name, self._directory, reason
        )
        text = _as_text(item.value)
        about = {"at": to_text(now), "kind": item.kind, "name": item.name, "reason": reason, "characters": len(text)}
        with suppress(OSError):
            self._keep(item.kind, json.dumps(about | {"item": text[:TEXT_MAX]}), now)

    def _keep(self, kind: str, text: str, now: datetime) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for path in self._files()[: -(FILES_MAX - 1)]:
            path.unlink(missing_ok=True)
        self._number += 1
        name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}{self._number:06}-{kind}"
        temporary = self._directory / f"{name}.tmp"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        temporary.rename(self._directory / f"{name}.json")

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("*.json"))


def write(store: Store, batch: Batch, reject: Callable[[Item, str], None], *, proof: Batch) -> None:
    """Write the batch; what alone keeps it from being written is handed to `reject` and left out.

    An item is at fault when the store refuses it twice and takes `proof` in between. Raises whatever a store that
    is away raises, and what it raises about the proof.
    """
    try:
        store.write(batch)
    except _AWAY:
        raise
    except Exception:  # whatever it is, it must not keep back what has no part in it
        for item in _culprits(store, list(_items(batch))):
            store.write(proof)
            if refusal := _refusal(store, [item]):
                reject(item, refusal)


def _culprits(store: Store, items: Sequence[Item]) -> Iterator[Item]:
    """Yield what the store refuses alone, having written the rest half by half, in order."""
    if len(items) == 1:
        yield items[0]
        return
    middle = len(items) // 2
    for half in (items[:middle], items[middle:]):
        if _refusal(store, half):
            yield from _culprits(store, half)


def _refusal(store: Store, items: Sequence[Item]) -> str:
    """Write the items; return what the store has against them, "" for nothing."""
    try:
        store.write(_batch(items))
    except _AWAY:
        raise
    except Exception as error:
        return error.message if isinstance(error, WindmillError) else f"{type(error).__name__}: {error}"[:500]
    return ""


def _items(batch: Batch) -> Iterator[Item]:
    """Yield everything in the order in which a store may show it: output before ends."""
    yield from (Item("output", block.execution, block) for block in batch.output)
    yield from (Item("drop", drop.execution, drop) for drop in batch.drops)
    yield from (Item("definition", _name(one), one) for one in batch.definitions)
    yield from (Item("execution", _name(one), one) for one in batch.executions)
    yield from (Item("job", _name(one), one) for one in batch.jobs)
    yield from (Item("status", name, one) for name, one in batch.status.items())
    yield from (Item("answer", _name(one), one) for one in batch.answers)


def _batch(items: Sequence[Item]) -> Batch:
    of: dict[str, list[Any]] = {}
    for item in items:
        of.setdefault(item.kind, []).append(item.value)
    return Batch(
        executions=of.get("execution", []),
        output=of.get("output", []),
        drops=of.get("drop", []),
        jobs=of.get("job", []),
        status={item.name: item.value for item in items if item.kind == "status"},
        answers=of.get("answer", []),
        definitions=of.get("definition", []),
    )


def _name(document: Document) -> str:
    return str(document.get("id", "?"))[:200]


def _as_text(value: OutputBlock | Drop | Document | bytes) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(type(value))
