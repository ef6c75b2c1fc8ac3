"""What the loop and the roster see of an execution: `Supervised`, or `Orphan` of a dead runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from windmill.core.documents import Document
from windmill.execution import tree


class Charge(Protocol):
    """An execution to look after, from its acceptance until its end is written."""

    id: str
    job: str
    mark: int  # the marker its processes carry
    document: Document  # as its next frame has it

    @property
    def due(self) -> float | None:
        """When `look` is wanted next, in monotonic seconds; None means not by time."""

    @property
    def subject(self) -> tree.Subject:
        """Whose processes a census is to look for."""

    def asks(self, adopted: Collection[str] | None) -> bool:
        """Return True when `look` needs a census.

        `adopted` are the executions with processes whose parents have ended, None when that cannot be told.
        """

    def look(self, left: Sequence[tree.Found]) -> None:
        """Do what is due, given the living processes where `asks` was true."""

    def stop(self, by: str) -> None:
        """Take a person's wish to stop it."""

    def checkpoint(self) -> Document | None:
        """Return the record that a new segment needs, None for none."""

    def flush(self) -> None:
        """Hand output that waits for company to the ledger."""

    def lost(self, size: int) -> None:
        """Count output that could not be written."""

    def written(self) -> None:
        """Take note that the record or end handed to the ledger has been written."""
