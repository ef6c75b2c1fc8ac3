"""Wires the dashboard for a home, and runs it: `windmill dashboard`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from windmill import __version__, log
from windmill.app.home import Home
from windmill.app.reading import LiveProjectSettings
from windmill.app.schedules import schedule_of
from windmill.app.upcoming import upcoming
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.ports import Store
from windmill.dashboard.factory import BODY_MAX, create_app
from windmill.dashboard.facts import Facts
from windmill.dashboard.serve import listen, serve
from windmill.projects.fingerprint import secret
from windmill.scheduler import clock

STDIN: Final = 0


def run_dashboard(home: Home, *, host: str, port: int, say: Callable[[str], None], level: int, leashed: bool) -> None:
    """Serve the dashboard of the home until told to stop; `leashed` ends it with whoever holds its stdin.

    Raises WindmillError in words when it cannot listen there.
    """
    log.configure(level)
    if leashed:
        threading.Thread(target=_end_with_parent, name="leash", daemon=True).start()
    listener = listen(host, port)
    serve(create_app(facts_of(home)), listener, body_max=BODY_MAX, ready=lambda url: say(f"Dashboard: {url}"))


def facts_of(home: Home) -> Facts:
    """Return what the dashboard of this home is to know."""
    projects = LiveProjectSettings(home)

    def open_store(readonly: bool) -> Store:
        return home.store(readonly=readonly)

    def webhook_secret(project: str) -> str | None:
        known = projects().get(project)
        if known is None or known.webhook is None:
            return None
        return secret(known.webhook, home.environ, f"webhook secret of {project}")

    return Facts(
        version=__version__,
        home=str(home.root),
        open_store=open_store,
        webhook_secret=webhook_secret,
        next_start=partial(next_start, home),
        clock=clock.now,
        trusted_hosts=home.settings.trusted_hosts,
    )


def next_start(home: Home, job: Document, now: datetime) -> datetime | None:
    """Return when the job is due next, by its definition as it was recorded; None where that is never."""
    try:
        return next(upcoming(schedule_of(home, job), job, now), None)
    except WindmillError:
        return None  # a definition that a newer version recorded


def _end_with_parent() -> None:
    while os.read(STDIN, 4096):
        pass
    os._exit(0)
