"""Wires the dashboard for a home, and runs it: `windmill dashboard`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from typing import Final

from windmill import __version__, log
from windmill.app.composing import HomeDrafts
from windmill.app.exact import missing
from windmill.app.home import Home
from windmill.app.machine import machine
from windmill.app.project_facts import ProjectFacts
from windmill.app.reading import LiveProjectSettings
from windmill.app.schedules import schedules_of
from windmill.app.schemas import schemas
from windmill.app.sign_in import Links, access_of, check, keep_address, link, secret_key
from windmill.app.stores import Stores
from windmill.app.suspects import suspects
from windmill.app.times import parse_until
from windmill.app.upcoming import upcoming
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.ports import Store
from windmill.core.zones import zone
from windmill.dashboard.factory import BODY_MAX, create_app
from windmill.dashboard.facts import Facts, Schedules, Starts
from windmill.dashboard.ground import Ground
from windmill.dashboard.placing import UPLOAD_MAX, UPLOAD_PATH
from windmill.dashboard.serve import is_local, listen, names, serve
from windmill.projects.fingerprint import secret
from windmill.projects.known import KnownProjects
from windmill.scheduler import clock

STDIN: Final = 0
SUSPECTS_KEPT: Final = 1000


def run_dashboard(
    home: Home,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    level: int,
    form: log.Form | None = None,
    leashed: bool,
) -> None:
    """Serve the dashboard of the home until told to stop; `leashed` ends it with whoever holds its stdin.

    Raises WindmillError in words when it cannot listen there.
    """
    log.configure(level, form or home.settings.log_format)
    say = log.say if log.is_json() else say
    if leashed:
        threading.Thread(target=_end_with_parent, name="leash", daemon=True).start()
    settings = home.settings.dashboard
    check(settings, home.environ)
    listener = listen(host, port, settings.auth)
    stores = Stores(home)
    facts = facts_of(home, stores, host)

    def ready(url: str) -> None:
        keep_address(home, url)
        say(f"Dashboard: {url}")
        if not is_local(host):
            say("Others on the network can read along unless a proxy with TLS stands before it; see the manual.")
        if settings.auth == "link" and settings.actions:
            say(_invitation(home, url))

    with closing(stores):
        serve(create_app(facts), listener, body_max=BODY_MAX, larger={UPLOAD_PATH: UPLOAD_MAX}, ready=ready)


def _invitation(home: Home, url: str) -> str:
    """Return how to sign in; without a link where what we say is kept by the system, for others to read."""
    if home.environ.get("JOURNAL_STREAM") or log.is_json():
        return "windmill sign-in prints a link to act there."
    return f"To act there, open within 15 minutes: {link(url, Links(home, clock.now).make())}"


def facts_of(home: Home, stores: Stores, host: str = "127.0.0.1") -> Facts:
    """Return what the dashboard of this home is to know; it also answers to the names of what it listens on."""
    projects = LiveProjectSettings(home)
    schedules = schedules_of(home)

    def webhook_secret(project: str) -> str | None:
        known = projects().get(project)
        if known is None or known.webhook is None:
            return None
        return secret(known.webhook, home.environ, f"webhook secret of {project}")

    return Facts(
        version=__version__,
        home=str(home.root),
        open_store=stores.open,
        webhook_secret=webhook_secret,
        schedule=schedules,
        starts=starts_of(schedules),
        until=lambda text, now: parse_until(text, now=now, timezone=home.settings.timezone),
        missing=lambda execution: missing(KnownProjects(home.root, home.state, projects), execution),
        suspects=suspects_of(home),
        schemas=schemas,
        drafts=HomeDrafts(home),
        clock=clock.now,
        ground=ground_of(home, KnownProjects(home.root, home.state, projects)),
        secret_key=secret_key(home),
        access=access_of(home, lambda: projects.settings().dashboard, local=is_local(host)),
        claim=Links(home, clock.now).claim,
        actions=home.settings.dashboard.actions,
        trusted_hosts=(*home.settings.dashboard.trusted_hosts, *names(host)),
    )


def ground_of(home: Home, projects: KnownProjects) -> Ground:
    """Return what answers for the files of the home and for the machine under it."""
    found = ProjectFacts(home, projects)
    return Ground(projects=found.every, project=found.one, changed=found.changed, machine=lambda: machine(home))


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
