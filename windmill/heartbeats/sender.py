"""Threads that tell monitoring services what the loop leaves for them, so that nobody waits for a network."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue
from typing import Final

from windmill.core.errors import WindmillError
from windmill.core.model import Heartbeat
from windmill.heartbeats.address import URL_MAX, Url, parse
from windmill.heartbeats.ping import Ping, Request, request
from windmill.heartbeats.wire import Undelivered

log = logging.getLogger("windmill.heartbeats")

LANES: Final = 4
ROOM: Final = 100  # pings that wait in one lane
PAUSES: Final = (1.0, 3.0)  # seconds before the second and the third try

Send = Callable[[Url, Request], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A ping on its way: whose it is, in words, and where the URL is found."""

    about: str
    source: Heartbeat
    ping: Ping


def url_of(source: Heartbeat, environ: Mapping[str, str]) -> Url:
    """Return the URL as it is written now. Raises WindmillError, which does not show it."""
    if source.from_env is not None:
        if not (text := environ.get(source.from_env, "")):
            raise WindmillError(f"the scheduler's environment has no variable {source.from_env}")
        return parse(text)
    return parse(_read(source.from_file or ""))


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WindmillError(f"{path} is not a file")
            return file.read(URL_MAX + 100).decode("ascii", errors="replace")
    except OSError as error:
        raise WindmillError(f"{path} cannot be read: {error.strerror}") from None


class Sender:
    """Sends parcels in the order they came, for each `about`; one that cannot be sent holds up its lane only.

    `tail` returns the last output of an execution and may wait. `put` and `counts` never block.
    """

    def __init__(
        self,
        send: Send,
        *,
        environ: Mapping[str, str],
        tail: Callable[[str], bytes] = lambda _execution: b"",
        lanes: int = LANES,
        room: int = ROOM,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._send, self._environ, self._tail, self._pauses = send, environ, tail, pauses
        self._lanes: list[Queue[Parcel | None]] = [Queue(room) for _ in range(lanes)]
        self._counts: Counter[str] = Counter()
        self._failing: dict[str, str] = {}  # by whom: what was said about it
        self._lock = threading.Lock()  # of these two
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def put(self, parcel: Parcel) -> None:
        """Leave a parcel; a full lane drops it, and that is counted."""
        if not self._threads:
            self._start()
        try:
            self._lanes[zlib.crc32(parcel.about.encode()) % len(self._lanes)].put_nowait(parcel)
        except Full:
            self._count("dropped")

    def counts(self) -> dict[str, int]:
        """Return how many were sent, failed and dropped since the start, and how many wait."""
        with self._lock:
            told = {name: self._counts[name] for name in ("sent", "failed", "dropped")}
        return told | {"waiting": sum(lane.qsize() for lane in self._lanes)}

    def stop(self, timeout: float) -> None:
        """Send what waits, for `timeout` seconds at most, and end; what is left then is not sent."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        for lane in self._lanes:
            with suppress(Full):
                lane.put_nowait(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        for lane in self._lanes:
            thread = threading.Thread(target=self._run, args=(lane,), name="heartbeats", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, lane: Queue[Parcel | None]) -> None:
        while not (self._stopping.is_set() and lane.empty()) and (parcel := lane.get()) is not None:
            try:
                self._deliver(parcel)
            except WindmillError as error:
                self._failed(parcel, error.message)
            except Exception as error:  # a defect of ours must not end the lane
                self._failed(parcel, f"a defect in WindMill ({type(error).__name__})")

    def _deliver(self, parcel: Parcel) -> None:
        output = self._tail(parcel.ping.execution) if parcel.ping.final else b""
        url = url_of(parcel.source, self._environ)
        wanted = request(url, parcel.ping, output)
        for pause in (*self._pauses, None):
            try:
                self._send(url, wanted)
                break
            except Undelivered as error:
                if not error.again or pause is None or self._stopping.wait(pause):
                    raise
        self._count("sent")
        with self._lock:
            self._failing.pop(parcel.about, None)

    def _failed(self, parcel: Parcel, why: str) -> None:
        """Count it, and say so once until it gets through again or fails in another way."""
        self._count("failed")
        with self._lock:
            known = self._failing.get(parcel.about)
            self._failing[parcel.about] = why
        if known != why:
            log.warning(
                "the heartbeat of %s was not sent: %s", parcel.about, why, extra={"event": "heartbeat.failed"}
            )

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
