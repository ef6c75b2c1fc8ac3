"""Opening the store for a scheduler: never beside the scheduler of another home, and never waited for long."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from windmill.app.home import Home
from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.ports import Store
from windmill.scheduler import clock
from windmill.scheduler.neighbour import refuse_neighbour

PATIENCE: Final = 2.5  # seconds; a store that is away says so after two


def open_store(home: Home, facts: Document) -> Store:
    """Return the store for writing; `facts` name our host and home.

    Raises Unavailable, and Refused for a database of a newer version or one that another home's scheduler uses.
    """
    store = home.store(readonly=False)
    try:
        if home.settings.store_uri:  # the embedded store is this home's own, also where it was moved to
            refuse_neighbour(store.status("scheduler"), facts, clock.now())
    except BaseException:
        store.close()
        raise
    return store


def try_store(opened: Callable[[], Store], patience: float = PATIENCE) -> str:
    """Open the store and let it go; return "", or why it is away where it does not answer within `patience`.

    Raises what opening raises, except Unavailable. A name server may keep an opening busy for minutes, so it has
    a thread of its own.
    """
    outcome: SimpleQueue[Exception | None] = SimpleQueue()

    def attempt() -> None:
        try:
            opened().close()
        except Exception as error:
            outcome.put(error)
        else:
            outcome.put(None)

    Thread(target=attempt, name="opening", daemon=True).start()
    try:
        error = outcome.get(timeout=patience)
    except Empty:
        return f"no answer within {patience:g} seconds"
    if error is None:
        return ""
    if isinstance(error, Unavailable):
        return error.message
    raise error
