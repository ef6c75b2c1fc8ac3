"""A stand-in for the scheduler: holds the home's lock and answers requests in its store, or not, as a test says."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from windmill.app.home import Home
from windmill.core.documents import Document
from windmill.core.ports import Batch, Store

Answering = Callable[[Store, Document], Document | None]


def done(**answer: str) -> Callable[[Store, Document], Document]:
    """Return a way to say yes to everything."""
    return lambda _store, request: {**request, "state": "done", "answer": answer}


def refused(message: str, **answer: str) -> Callable[[Store, Document], Document]:
    """Return a way to say no to everything."""
    return lambda _store, request: {**request, "state": "refused", "answer": {"message": message, **answer}}


@contextlib.contextmanager
def scheduler(home: Path, answering: Answering, **batch: object) -> Iterator[list[Document]]:
    """Run the stand-in inside the block; yields the requests it has seen. `batch` is written first.

    Its status document "catalog" makes the store's jobs the ones in effect.
    """
    seen: list[Document] = []
    leave, ready = threading.Event(), threading.Event()

    def work() -> None:
        store = Home(home, {}).store(readonly=False)
        catalog = {"id": "catalog", "at": "2026-01-01T00:00:00.000Z", "files": 0, "problems": [], "stale": []}
        store.write(Batch(status={"catalog": catalog | {"unreadable": False}}))
        store.write(Batch(**batch))  # type: ignore[arg-type]  # fields of a batch, by name
        ready.set()
        while not leave.wait(0.01):
            for request in store.pending_requests():
                if request in seen:
                    continue
                seen.append(request)
                answer = answering(store, request)
                store.write(Batch(answers=[answer] if answer else []))
        store.close()

    Home(home, {}).make_state()
    with (home / ".windmill" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert ready.wait(20)
            yield seen
        finally:
            leave.set()
            thread.join()
