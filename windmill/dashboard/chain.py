"""A job among others: what it comes after and what comes after it, what it waits for, what executions answer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask_babel import gettext

from windmill.core.documents import Document, from_text
from windmill.core.lineage import awaited, followed, lineage, taken
from windmill.core.model import TERMINAL
from windmill.core.ports import ExecutionFilter
from windmill.dashboard import catalog
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.overview import lately
from windmill.dashboard.words import in_utc, joined, moment

SUCCESS: Final = "success"  # how most jobs want those before them to end
ACROSS: Final = 4  # steps that have room beside each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A job of the chain. `known` is False for one that is named and not there; `after` is "" where it is plain."""

    job: str
    latest: Document | None
    known: bool
    present: bool
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The jobs step by step; `more` are not named. `waits` says what the present one waits for now."""

    steps: Sequence[Sequence[Link]]
    more: int
    waits: str

    @property
    def across(self) -> bool:
        """Whether the steps have room beside each other on a wide screen."""
        return len(self.steps) <= ACROSS


def chain(job: Document) -> Chain | None:
    """Return the chain of a job that is there, None where it comes after nothing and nothing comes after it."""
    jobs = {one["id"]: one for one in catalog.jobs()}
    found = lineage(job["id"], jobs.values())
    if job["deleted"] or not found:
        return None
    newest = _newest(found.jobs)
    steps = []
    before: Sequence[str] = ()
    for level in found.levels:
        steps.append([_link(key, jobs.get(key), newest.get(key), before, present=key == job["id"]) for key in level])
        before = level
    return Chain(steps=steps, more=found.more, waits=_waits(job, newest))


def after_words(job: Document) -> str:
    """Return after which jobs it starts, and how they have to end, "" for one that comes after none."""
    return str(joined([_above(one) for one in job.get("after", ())]))


def follows(execution: Document) -> list[tuple[str, str]]:
    """Return the jobs, and the ids of their executions, whose ends started the execution."""
    return sorted(execution.get("after", {}).items())


def following(execution: Document) -> list[Document]:
    """Return what started, or did not start, because the execution had ended."""
    return [lately(one, now()) for one in followed(store(), execution, catalog.jobs())]


def _link(key: str, job: Document | None, latest: Document | None, before: Sequence[str], *, present: bool) -> Link:
    above = job.get("after", ()) if job else ()
    plain = {one["job"] for one in above} == set(before) and all(one["when"] == SUCCESS for one in above)
    return Link(
        job=key,
        latest=latest and lately(latest, now()),
        known=job is not None,
        present=present,
        after="" if plain or job is None else after_words(job),
    )


def _above(one: Mapping[str, str]) -> str:
    if one["when"] == SUCCESS:
        return one["job"]
    if one["when"] == "failure":
        return str(gettext("a failure of %(job)s", job=one["job"]))
    return str(gettext("any end of %(job)s", job=one["job"]))


def _newest(keys: Iterable[str]) -> dict[str, Document]:
    """Return the newest execution of each job, or what was recorded instead of one."""
    pages = ((key, store().executions(ExecutionFilter(job=key), limit=1)) for key in keys)
    return {key: page.items[0] for key, page in pages if page.items}


def _waits(job: Document, newest: Mapping[str, Document]) -> str:
    """Return what the job waits for, "" where that is nothing but time, or it does not start by itself."""
    last = newest.get(job["id"])
    if not job.get("after") or not job["enabled"] or job["paused"] or (last and last["state"] not in TERMINAL):
        return ""
    retried = [one["job"] for one in (store().status("scheduler") or {}).get("retries", ())]
    if facts().schedule(job) is None:
        waits = awaited(job, newest, taken(store(), job["id"]), retried)
        return str(gettext("It waits for %(jobs)s.", jobs=joined(waits))) if waits else ""
    slot = _owed(job, last)
    waits = [one["job"] for one in job["after"] if _unsettled(newest.get(one["job"])) or one["job"] in retried]
    if slot is None or not waits:
        return ""
    when = f"{moment(in_utc(slot))} UTC"
    return str(gettext("Its slot of %(when)s waits for %(jobs)s.", when=when, jobs=joined(waits)))


def _owed(job: Document, last: Document | None) -> datetime | None:
    """Return the slot that has come, and of which nothing is recorded yet."""
    known = [from_text(last[name]) for name in ("coalesced_to", "slot")] if last else []
    settled = next(filter(None, known), None)
    due = next(iter(facts().starts(job, settled)), None) if settled else None
    return due if due and due <= now() else None


def _unsettled(last: Document | None) -> bool:
    return last is None or last["state"] not in TERMINAL
