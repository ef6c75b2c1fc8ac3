"""Why executions failed, told from the end of what they wrote, as they are recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from windmill.core.failures import failure
from windmill.core.ports import Batch, OutputBlock, Store
from windmill.core.tracebacks import LOOKED_AT

_COLOURS: Final = re.compile(rb"\x1b\[[0-9;]*m")  # that a traceback has on a terminal


def tell(batch: Batch, store: Store) -> None:
    """Add to every failure in the batch what `core.failures` says of it. Raises whatever the store raises.

    What the store has of the output comes before that of the batch. Telling it again says the same.
    """
    blocks: dict[str, list[OutputBlock]] = {}
    for block in batch.output:
        blocks.setdefault(block.execution, []).append(block)
    for number, execution in enumerate(batch.executions):
        identity = execution["id"]
        if found := failure(execution, partial(_end, identity, blocks.get(identity, ()), store)):
            batch.executions[number] = execution | {"failure": found}


def _end(execution: str, blocks: Sequence[OutputBlock], store: Store) -> str:
    """Return the last `LOOKED_AT` bytes of what the execution wrote, as text without colours."""
    written = b"".join([block.data for block in blocks])[-LOOKED_AT:]
    missing = LOOKED_AT - len(written)
    if missing > 0 and (not blocks or blocks[0].first > 1):
        before = b"".join([block.data for block in store.output_tail(execution, size=missing)])
        written = before[-missing:] + written
    return _COLOURS.sub(b"", written).decode(errors="replace")
