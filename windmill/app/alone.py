"""`windmill run` where no scheduler is up: one job, from its order to its end, also while the store is away."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from threading import Event
from typing import Final

from windmill.app.home import Home
from windmill.app.serve import Scheduler, say
from windmill.core.documents import Document
from windmill.core.errors import NotFound, Refused, Unavailable, WindmillError
from windmill.core.model import TERMINAL, Catalog, Cause, State, execution_id
from windmill.core.ports import JournalReader, Kind, OutputBlock, Position, Store
from windmill.scheduler.inbox import Loaded, Requested

POLL_SECONDS: Final = 0.05

Show = Callable[[Sequence[OutputBlock]], None]
Look = Callable[[int], tuple[Document | None, list[OutputBlock]]]


def run_alone(home: Home, request: Document, show: Show) -> Document:
    """Run one job to its end without a scheduler being up, with the same guarantees, and return its execution.

    `request` is a run request that was not stored. `show` gets the output while it comes, on another thread.
    Raises NotFound for an unknown job and Refused when the job cannot start now.
    """
    key = str(request["job"])
    catalog = home.catalog()
    job = catalog.jobs.get(key)
    if job is None:
        raise NotFound(f"there is no job {key}")
    identity = execution_id(key, cause=Cause.MANUAL, what=str(request["id"]))
    with ThreadPoolExecutor(1) as pool:
        over = Event()
        try:
            with Scheduler(home, look=lambda: None, say=say, alone=True) as scheduler:
                following = Following(identity, show, over, Tail(scheduler.journal, scheduler.began, identity))
                followed = pool.submit(following.to_end, home, away=bool(scheduler.store_away))
                answer = _serve(scheduler, replace(catalog, jobs={job.key: job}), request, identity)
        finally:
            over.set()
        followed.result()
    if message := answer.get("message"):
        raise Refused(f"{key} was not started: {message}")
    if following.away:
        say(f"The store is away; the record waits in {home.state / 'journal'} until `windmill up` brings it there.")
    if following.ended is None:
        raise WindmillError(f"execution {identity} is not in the store yet", hint="`windmill up` brings it there")
    return following.ended


def _serve(scheduler: Scheduler, catalog: Catalog, request: Document, identity: str) -> Document:
    """Serve this one request until its execution has ended, and return the answer to it."""
    scheduler.inbox.put(Loaded(catalog))
    scheduler.inbox.put(Requested([request]))
    answers, owner_of = scheduler.answers, scheduler.performer.owner_of
    scheduler.loop.run(until=lambda: request["id"] in answers and owner_of(identity) is None)
    return dict(answers.get(request["id"], {"message": "interrupted"}))


class Tail:
    """What the journal got of one execution since `began`, the ends its streams had before."""

    def __init__(self, journal: JournalReader, began: Mapping[str, Position], identity: str) -> None:
        self._journal = journal
        self._reached = dict(began)
        self._identity = identity
        self._ended: Document | None = None

    def look(self, after: int) -> tuple[Document | None, list[OutputBlock]]:
        """Return the execution if it has ended, and the next output frames with a sequence above `after`."""
        blocks: list[OutputBlock] = []
        for stream in self._journal.streams():
            more = True
            while more and not blocks:
                more = self._read(stream, after, blocks)
        return self._ended, blocks

    def _read(self, stream: str, after: int, blocks: list[OutputBlock]) -> bool:
        before = self._reached.get(stream, Position(0, 0))
        frames, self._reached[stream] = self._journal.read(stream, before)
        for frame in frames:
            if frame.execution != self._identity:
                continue
            if frame.kind == Kind.END:
                self._ended = json.loads(frame.payload)
            elif frame.kind == Kind.OUTPUT and frame.sequence > after:
                place = (frame.execution, frame.sequence, frame.sequence)
                blocks.append(OutputBlock(*place, frame.stream, frame.at, frame.payload))
        return self._reached[stream] != before


class Following:
    """Hands on an execution's output until all of it is out; what the store does not give comes from the journal.

    After `to_end`, `ended` is the execution where its end is known, and `away` says that the store did not have it.
    """

    def __init__(self, identity: str, show: Show, over: Event, tail: Tail) -> None:
        self._identity, self._show, self._over, self._tail = identity, show, over, tail
        self._after = 0
        self.away = False
        self.ended: Document | None = None

    def to_end(self, home: Home, *, away: bool) -> None:
        """Follow until the execution has ended, or nothing comes any more because it is `over`."""
        if not away:
            with suppress(Unavailable), closing(home.store()) as store:
                self._follow(lambda after: self._stored(store, after))
        if self.ended is None:
            self.away = True
            self._follow(self._tail.look)

    def _follow(self, look: Look) -> None:
        while True:
            last = self._over.is_set()
            self.ended, blocks = look(self._after)
            if blocks:
                self._show(blocks)
                self._after = blocks[-1].last
            elif last or self.ended:
                return
            else:
                self._over.wait(POLL_SECONDS)

    def _stored(self, store: Store, after: int) -> tuple[Document | None, list[OutputBlock]]:
        known = store.execution(self._identity)
        ended = known if known is not None and State(known["state"]) in TERMINAL else None
        return ended, store.output(self._identity, after=after)
