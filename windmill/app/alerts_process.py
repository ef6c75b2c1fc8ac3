"""The process that sends messages: one at a time per home, ended by SIGTERM or with whoever holds its stdin."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from windmill import log
from windmill.app.alerting import Alerting
from windmill.app.home import Home
from windmill.app.stores import Stores
from windmill.log import Form
from windmill.scheduler import clock

STDIN: Final = 0
LOCK: Final = "alerts.lock"
AGAIN: Final = 0.2  # seconds between two tries for the lock


def run_alerts(home: Home, *, leashed: bool, level: int = logging.INFO, form: Form | None = None) -> None:
    """Send the messages of the home until told to stop."""
    log.configure(level, form or home.settings.log_format)
    home.make_state()
    stopping = threading.Event()
    with closing(stores := Stores(home)):
        alerting = Alerting(home, open_store=lambda: stores.open(False), clock=clock.now)

        def stop(*_: object) -> None:
            stopping.set()
            alerting.wake()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if leashed:
            threading.Thread(target=_leash, args=(stop,), name="leash", daemon=True).start()
        descriptor = os.open(home.state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _alone(descriptor, home.state / LOCK, stopping):
            alerting.run(stopping)


def _alone(descriptor: int, path: Path, stopping: threading.Event) -> bool:
    """Wait until nobody else sends for this home; False where we are to stop first."""
    told = False
    while not stopping.is_set():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                logging.getLogger("windmill.alerts").info("somebody else sends: %s is held", path.name)
            told = True
            stopping.wait(AGAIN)
        else:
            return True
    return False


def _leash(stop: Callable[[], None]) -> None:
    while os.read(STDIN, 4096):
        pass
    stop()
