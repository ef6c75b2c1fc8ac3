"""What is as it should be and what is not, beside what is wrong in files: each with what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from flask_babel import gettext as _
from flask_babel import ngettext

from windmill.core.documents import Document, from_text
from windmill.core.errors import Unavailable
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.health import SILENT, age
from windmill.dashboard.records import size
from windmill.dashboard.streams import STREAMS_MAX, watching
from windmill.dashboard.words import relative, span

OK: Final = "ok"
WARNING: Final = "warning"
PROBLEM: Final = "problem"
SIGNS: Final = {OK: "✓", WARNING: "▲", PROBLEM: "✕"}
SLOW_STORE: Final = timedelta(seconds=1)
LEAST_FREE: Final = 1 << 30  # bytes
LARGE_BACKLOG: Final = 256 << 20  # bytes
STREAMS_MANY: Final = 0.9  # of those there can be


class Check(NamedTuple):
    """One verdict, OK, WARNING or PROBLEM: what was found, and what to do where it is not ok."""

    about: str
    verdict: str
    found: str
    todo: str = ""
    detail: str = ""  # in the words of whoever failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What was found at one look: empty where nothing is known; `took` is None while the store is away."""

    instant: datetime
    took: timedelta | None
    scheduler: Document = field(default_factory=dict)
    catalog: Document = field(default_factory=dict)
    projects: list[Document] = field(default_factory=list)
    machine: Document = field(default_factory=dict)


def look() -> Readings:
    """Look at the store and the machine once. Never raises for a store that is away."""
    machine, began = facts().ground.machine(), time.monotonic()
    try:
        read = store()
        scheduler = read.status("scheduler") or {}
        took = timedelta(seconds=time.monotonic() - began)
        catalog, projects = read.status("catalog") or {}, read.status("projects") or {}
    except Unavailable:
        return Readings(instant=now(), took=None, machine=machine)
    return Readings(
        instant=now(),
        took=took,
        scheduler=scheduler,
        catalog=catalog,
        projects=list(projects.get("projects", ())),
        machine=machine,
    )


def around(seen: Readings) -> Iterator[Check]:
    """Yield the verdicts on what jobs need to run and to be recorded, also those that are ok."""
    yield _scheduler(seen)
    yield _store(seen)
    yield _journal(seen)
    if seen.machine.get("disk"):
        yield _disk(seen.machine["disk"])


def checks(seen: Readings) -> Iterator[Check]:
    """Yield every verdict, also those that are ok."""
    yield from around(seen)
    if seen.took is not None:
        yield _files(seen)
        if seen.projects:
            yield _sources(seen)
    yield _streams()


def _scheduler(seen: Readings) -> Check:
    about, again = _("Scheduler"), _("Start it with windmill up; jobs that run go on meanwhile.")
    if seen.took is None:
        return Check(about, WARNING, _("nothing is known of it while the store is away"))
    heard = age(seen.scheduler or None, seen.instant)
    if heard is None:
        return Check(about, PROBLEM, _("none was seen here yet"), again)
    words = relative(seen.instant - heard, seen.instant)
    if seen.scheduler.get("left"):
        return Check(about, PROBLEM, _("stopped %(when)s: nothing will start", when=words), again)
    if heard >= SILENT:
        found = _("silent, last heard of %(when)s: nothing will start until it is back", when=words)
        return Check(
            about, PROBLEM, found, _("If it stays so, look at its log and restart it; jobs run on meanwhile.")
        )
    return Check(about, OK, _("heard of %(when)s", when=words))


def _store(seen: Readings) -> Check:
    about = _("Store")
    if seen.took is None:
        todo = _("Start the database, or mend [store] in windmill.toml. Jobs run on, and what they write is kept.")
        return Check(about, PROBLEM, _("does not answer"), todo)
    if seen.took > SLOW_STORE:
        found = _("answered after %(span)s", span=span(seen.took))
        return Check(about, WARNING, found, _("See whether its disk is busy, or the network to it slow."))
    return Check(about, OK, _("answered after %(span)s", span=span(seen.took)))


def _journal(seen: Readings) -> Check:
    about, backlog = _("Journal"), seen.scheduler.get("backlog") or {}
    waiting = int(backlog.get("bytes") or 0)
    if backlog.get("full"):
        todo = _("Bring the store back, or raise journal_max_size in windmill.toml.")
        return Check(about, PROBLEM, _("full with %(size)s: output is being cut", size=size(waiting)), todo)
    if rejected := backlog.get("rejected"):
        found = ngettext(
            "%(num)d document that the store refuses", "%(num)d documents that the store refuses", rejected
        )
        return Check(about, PROBLEM, found, _("They are kept in .windmill/rejected, with the reason."))
    if away := from_text(backlog.get("away_since")):
        found = _(
            "%(size)s wait; the store is away since %(when)s", size=size(waiting), when=relative(away, seen.instant)
        )
        todo = _("Bring the store back: what waits is stored then, and nothing is lost.")
        return Check(about, WARNING, found, todo, str(backlog.get("error") or ""))
    if waiting > LARGE_BACKLOG:
        return Check(
            about, WARNING, _("%(size)s wait for the store", size=size(waiting)), _("See whether it is slow.")
        )
    return Check(about, OK, _("%(size)s wait for the store", size=size(waiting)) if waiting else _("nothing waits"))


def _disk(disk: Document) -> Check:
    found = _("%(free)s free of %(total)s", free=size(disk["free"]), total=size(disk["total"]))
    if disk["free"] < LEAST_FREE:
        return Check(_("Disk"), PROBLEM, found, _("Free some space: what jobs write waits for the store there."))
    return Check(_("Disk"), OK, found)


def _files(seen: Readings) -> Check:
    about, problems = _("Job files"), seen.catalog.get("problems", ())
    wrong = sum(one["severity"] == "error" for one in problems)
    if seen.catalog.get("unreadable"):
        todo = _("See that the directory is there and that WindMill may enter it. Jobs known before run on.")
        return Check(about, PROBLEM, _("jobs.d cannot be read"), todo)
    if wrong:
        found = ngettext("%(num)d error in them", "%(num)d errors in them", wrong)
        return Check(about, PROBLEM, found, _("The page Problems shows each with its place."))
    if problems:
        found = ngettext("%(num)d warning in them", "%(num)d warnings in them", len(problems))
        return Check(about, WARNING, found, _("The page Problems shows each with its place."))
    files = int(seen.catalog.get("files") or 0)
    return Check(about, OK, ngettext("%(num)d file, no problem", "%(num)d files, no problem", files))


def _sources(seen: Readings) -> Check:
    about, failing = _("Sources"), [one["id"] for one in seen.projects if one.get("error")]
    if failing:
        found = ngettext("%(num)d source cannot be synced", "%(num)d sources cannot be synced", len(failing))
        return Check(about, PROBLEM, found, _("The page of the project says why, and what runs meanwhile."))
    looked = [at for one in seen.projects if (at := from_text(one.get("seen_at")))]
    return Check(about, OK, _("looked at %(when)s", when=relative(max(looked), seen.instant)) if looked else "–")


def _streams() -> Check:
    count = watching()
    found = _("%(count)s of %(most)s followers of output", count=count, most=STREAMS_MAX)
    if count >= STREAMS_MAX * STREAMS_MANY:
        return Check(
            _("Live output"), WARNING, found, _("Those beyond see output every two seconds instead of at once.")
        )
    return Check(_("Live output"), OK, found)
