"""Heartbeats of a home: what happens to jobs, and that the scheduler turns, brought to those who listen."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from functools import partial
from ipaddress import ip_network
from typing import Final

from windmill.app.home import Home
from windmill.core.errors import WindmillError
from windmill.core.model import TERMINAL, Execution, Heartbeat, Job, State
from windmill.heartbeats.address import Network, permitted
from windmill.heartbeats.ping import BODY_MAX, Ping, Signal, ping_of
from windmill.heartbeats.sender import Parcel, Sender, url_of
from windmill.heartbeats.wire import send

STORED_WITHIN: Final = 2.0  # seconds for the end of an execution to reach the store, before it is told without output
LOOK_SECONDS: Final = 0.1
LAST_SECONDS: Final = 1.5  # for what waits at the end


class Heartbeats:
    """Everything here returns at once; what is sent is sent on threads of the senders."""

    def __init__(self, home: Home) -> None:
        self._home = home
        told = home.settings.heartbeat
        deliver = partial(send, allow=networks(told.allow))
        self._of_jobs = Sender(deliver, environ=home.environ, tail=self._tail)
        self._own = Sender(deliver, environ=home.environ, lanes=1, room=1, pauses=())  # the next one comes anyway
        self._source = own_source(home)

    @property
    def own(self) -> bool:
        """True when somebody is to hear that the scheduler lives."""
        return self._source is not None

    def heard(self, job: Job, execution: Execution) -> None:
        """Tell of a start or an end of the job."""
        if job.heartbeat is not None:
            self._of_jobs.put(Parcel(about=job.key, source=job.heartbeat, ping=ping_of(execution)))

    def beat(self) -> None:
        """Tell that the scheduler turns."""
        if self._source is not None:
            self._own.put(Parcel(about="WindMill", source=self._source, ping=Ping(signal=Signal.ALIVE)))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what became of pings since the start: of jobs, and the scheduler's own."""
        return {"jobs": self._of_jobs.counts(), "scheduler": self._own.counts()}

    def stop(self) -> None:
        """Send what waits, as far as that is quick."""
        self._own.stop(0)
        self._of_jobs.stop(LAST_SECONDS)

    def _tail(self, execution: str) -> bytes:
        """Return the end of the output once the store has all of it; nothing where the store does not answer."""
        with suppress(WindmillError), closing(self._home.store()) as store:
            deadline = time.monotonic() + STORED_WITHIN
            while (known := store.execution(execution)) is None or State(known["state"]) not in TERMINAL:
                if time.monotonic() >= deadline:
                    break
                time.sleep(LOOK_SECONDS)
            return b"".join(block.data for block in store.output_tail(execution, size=BODY_MAX))
        return b""


def networks(allow: tuple[str, ...]) -> list[Network]:
    """Return what the settings allow beside public addresses."""
    return [ip_network(text) for text in allow]


def own_source(home: Home) -> Heartbeat | None:
    """Return where the URL of the scheduler's own heartbeat is found, or None."""
    source = home.settings.heartbeat.source
    return Heartbeat(from_env=source.from_env, from_file=source.from_file) if source else None


def fault(home: Home, source: Heartbeat) -> str:
    """Return what keeps this heartbeat from being sent, as far as that shows without sending, or ""."""
    try:
        permitted(url_of(source, home.environ), networks(home.settings.heartbeat.allow))
    except WindmillError as error:
        return error.message
    return ""
