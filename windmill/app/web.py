"""Wires the dashboard for a home, and runs it: `windmill dashboard`."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

from windmill import __version__, log
from windmill.app.exact import missing
from windmill.app.home import Home
from windmill.app.reading import LiveProjectSettings
from windmill.app.schedules import schedule_of
from windmill.app.schemas import schemas
from windmill.app.suspects import suspects
from windmill.app.times import parse_until
from windmill.app.upcoming import upcoming
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.core.ports import Store
from windmill.core.zones import zone
from windmill.dashboard.factory import BODY_MAX, create_app
from windmill.dashboard.facts import Facts, Schedules, Starts
from windmill.dashboard.serve import listen, serve
from windmill.projects.fingerprint import secret
from windmill.projects.known import KnownProjects
from windmill.scheduler import clock

STDIN: Final = 0
SCHEDULES_KEPT: Final = 20_000
SUSPECTS_KEPT: Final = 1000


def run_dashboard(home: Home, *, host: str, port: int, say: Callable[[str], None], level: int, leashed: bool) -> None:
    """Serve the dashboard of the home until told to stop; `leashed` ends it with whoever holds its stdin.

    Raises WindmillError in words when it cannot listen there.
    """
    log.configure(level)
    if leashed:
        threading.Thread(target=_end_with_parent, name="leash", daemon=True).start()
    listener = listen(host, port)
    app = create_app(facts_of(home, host))
    serve(app, listener, body_max=BODY_MAX, ready=lambda url: say(f"Dashboard: {url}"))


def facts_of(home: Home, *hosts: str) -> Facts:
    """Return what the dashboard of this home is to know; `hosts` it answers to beside those that settings name."""
    projects = LiveProjectSettings(home)
    schedules = schedules_of(home)

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
        schedule=schedules,
        starts=starts_of(schedules),
        until=lambda text, now: parse_until(text, now=now, timezone=home.settings.timezone),
        missing=lambda execution: missing(KnownProjects(home.root, home.state, projects), execution),
        suspects=suspects_of(home),
        schemas=schemas,
        clock=clock.now,
        secret_key=secret_key(home),
        trusted_hosts=(*home.settings.dashboard.trusted_hosts, *hosts),
    )


def suspects_of(home: Home) -> Callable[[Store, Document], list[Document]]:
    """Return what answers which commits may have broken an execution; it asks git once for each."""
    known: dict[str, list[Document]] = {}  # by execution

    def found(store: Store, execution: Document) -> list[Document]:
        if len(known) > SUSPECTS_KEPT:
            known.clear()
        if execution["id"] not in known:
            known[execution["id"]] = suspects(home, store, execution)
        return known[execution["id"]]

    return found


def secret_key(home: Home) -> bytes:
    """Return what signs the cookies of this home's viewers, made when first asked for. Raises Unavailable."""
    home.make_state()
    path = home.state / "dashboard.key"
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def schedules_of(home: Home) -> Schedules:
    """Return what answers by what schedule a job, by its document, is due; it reads every definition once."""
    known: dict[str, Schedule | None] = {}  # by the digest of the job

    def schedule(job: Document) -> Schedule | None:
        if len(known) > SCHEDULES_KEPT:
            known.clear()
        if job["digest"] not in known:
            try:
                known[job["digest"]] = schedule_of(home, job)
            except WindmillError:  # a definition that a newer version recorded
                known[job["digest"]] = None
        return known[job["digest"]]

    return schedule


def starts_of(schedules: Schedules) -> Starts:
    """Return what answers when a job, by its document, is due from now on."""

    def starts(job: Document, now: datetime) -> Iterator[datetime]:
        with suppress(WindmillError):
            if schedule := schedules(job):
                place = zone(schedule.timezone)
                yield from (instant.astimezone(place) for instant in upcoming(schedule, job, now))

    return starts


def _end_with_parent() -> None:
    while os.read(STDIN, 4096):
        pass
    os._exit(0)
