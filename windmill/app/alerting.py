"""Sends the messages of a home: looks at the store, keeps what is to be sent there, and sends it.

A message is stored before it is sent, together with everything that was read to find it, and struck out when the
channel has taken it. Whoever is killed in between looks again from there: nothing is lost, and only what a channel
took in the very instant of a kill comes twice.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from windmill.alerts import channels, letters
from windmill.alerts.letters import Letter
from windmill.alerts.outbox import Outbox, delivered, failed, next_message, outbox_from_document, outbox_to_document
from windmill.alerts.outbox import queued as with_alert
from windmill.alerts.rules import Alert
from windmill.alerts.watch import Watch
from windmill.app.channels import base_link, url_of
from windmill.app.home import Home
from windmill.app.reading import LiveProjectSettings
from windmill.app.schedules import schedules_of
from windmill.app.telling import context_of, page_of
from windmill.app.upcoming import slot_after
from windmill.core.documents import Document, to_text
from windmill.core.errors import Unavailable, WindmillError
from windmill.core.ports import Batch, Store
from windmill.core.zones import zone

EVERY: Final = 2.0  # seconds between two looks
SAVED_EVERY: Final = timedelta(seconds=30)  # where nothing happens
LET_GO: Final = 1.5  # seconds that messages under way get when we are to end
NAME: Final = "alerts"  # of the status document

_LOG: Final = logging.getLogger("windmill.alerts")
_Sent = tuple[str, tuple[Alert, ...], str]  # channel, alerts, why they were not taken or ""


class Alerting:
    """`open_store` opens the store for writing. One thread calls `turn`; each message goes on a thread of its own."""

    def __init__(self, home: Home, *, open_store: Callable[[], Store], clock: Callable[[], datetime]) -> None:
        self._home, self._open_store, self._clock = home, open_store, clock
        self._settings = LiveProjectSettings(home).settings
        schedules = schedules_of(home)
        self._due = lambda job, after: slot_after(schedules(job), job, after)
        self._store: Store | None = None
        self._watch: Watch | None = None
        self._outbox = Outbox()
        self._saved: tuple[Outbox, datetime] | None = None
        self._under_way: dict[str, tuple[Alert, ...]] = {}  # by channel
        self._sent: queue.SimpleQueue[_Sent | None] = queue.SimpleQueue()
        self._away = False

    def run(self, stopping: threading.Event) -> None:
        """Turn until told to stop; `wake` ends the wait for the next turn."""
        while not stopping.is_set():
            self.turn()
            self._settle(EVERY)
        until = time.monotonic() + LET_GO
        while self._under_way and (left := until - time.monotonic()) > 0:
            self._settle(left)
        self.turn(sending=False)

    def wake(self) -> None:
        """End the wait for the next turn; for other threads and signal handlers."""
        self._sent.put(None)

    def turn(self, *, sending: bool = True) -> None:
        """Look once, keep what follows, and send what is due. A store that is away is waited for."""
        try:
            now = self._clock()
            store, watch = self._opened(now)
            if sending:
                self._look(store, watch, now)
            self._save(store, watch, now)
            if sending:
                self._send(store, now)
        except Unavailable as error:
            self._store_away(error)

    def _opened(self, now: datetime) -> tuple[Store, Watch]:
        store = self._store
        if store is None:
            store = self._store = self._open_store()
        if self._watch is None:
            known = store.status(NAME)
            self._watch = Watch(known, now, due=self._due)
            self._outbox = outbox_from_document(known) if known else Outbox()
        return store, self._watch

    def _look(self, store: Store, watch: Watch, now: datetime) -> None:
        settings = self._settings()
        found = watch.look(store, now, home_channels=settings.alerts)
        for alert, names in found:
            known = [name for name in names if name in settings.channels]
            self._outbox = with_alert(self._outbox, alert, known, now)
        if self._away:
            self._away = False
            _LOG.info("the store is back: messages go out again", extra={"event": "alerts.store_back"})

    def _save(self, store: Store, watch: Watch, now: datetime) -> None:
        if self._saved is not None and self._saved[0] == self._outbox and now < self._saved[1] + SAVED_EVERY:
            return
        document: Document = {"id": NAME, "at": to_text(now), **watch.to_document()}
        store.write(Batch(status={NAME: document | outbox_to_document(self._outbox)}))
        self._saved = (self._outbox, now)

    def _send(self, store: Store, now: datetime) -> None:
        for name, channel in self._outbox.channels.items():
            alerts = () if name in self._under_way else next_message(channel, now)
            if not alerts:
                continue
            letter = self._letter(store, alerts, channel.uncounted)
            self._under_way[name] = alerts
            threading.Thread(target=self._deliver, args=(name, alerts, letter), name=name, daemon=True).start()

    def _letter(self, store: Store, alerts: tuple[Alert, ...], uncounted: int) -> Letter:
        settings = self._settings()
        base, place = base_link(self._home, settings), zone(settings.timezone)
        if len(alerts) > 1:
            return letters.summary(alerts, more=uncounted, link=f"{base}/executions", zone=place)
        (alert,) = alerts
        return letters.letter(alert, context_of(self._home, store, alert), link=base + page_of(alert), zone=place)

    def _deliver(self, name: str, alerts: tuple[Alert, ...], letter: Letter) -> None:
        error = ""
        try:
            channels.send(url_of(self._settings(), self._home.environ, name), letter)
        except WindmillError as known:
            error = known.message
        except Exception as unknown:  # of the code of a service; what it says may hold the URL
            error = f"sending failed with {type(unknown).__name__}"
        self._sent.put((name, alerts, error))

    def _settle(self, timeout: float) -> None:
        """Wait for something to happen, and take in what came of messages."""
        try:
            result = self._sent.get(timeout=timeout)
            while True:
                if result is not None:
                    self._came(*result)
                result = self._sent.get_nowait()
        except queue.Empty:
            return

    def _came(self, name: str, alerts: tuple[Alert, ...], error: str) -> None:
        now = self._clock()
        del self._under_way[name]
        about = alerts[0].key if len(alerts) == 1 else f"{len(alerts)} alerts"
        if not error:
            self._outbox = delivered(self._outbox, name, alerts, now)
            _LOG.info("told %s: %s", name, about, extra={"event": "alerts.sent"})
            return
        if not self._outbox.channels[name].failures:
            _LOG.warning("%s was not told, and will be: %s", name, error, extra={"event": "alerts.failed"})
        self._outbox = failed(self._outbox, name, now, error)

    def _store_away(self, error: Unavailable) -> None:
        if not self._away:
            _LOG.warning("messages wait for the store: %s", error.message, extra={"event": "alerts.store_away"})
        self._away = True
        if self._watch is not None:
            self._watch.store_away()
        if self._store is not None:
            self._store.close()
            self._store = None
