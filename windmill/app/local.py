"""What is open, by local files alone: true also while the store is away, and while no scheduler runs."""

from __future__ import annotations

from windmill.app.home import Home
from windmill.core.documents import Document, to_document
from windmill.execution.journal import Reader
from windmill.scheduler.recovery import OWN_STREAM, recover


def open_executions(home: Home) -> list[Document]:
    """Return all queued and running executions, oldest first, as a scheduler that came back would find them."""
    journal = Reader(home.state / "journal")
    states = recover(journal.newest(OWN_STREAM), journal).states.values()
    found = [state.open for state in states if state.open is not None]
    return [to_document(execution) for execution in sorted(found, key=lambda one: (one.queued_at, one.id))]
