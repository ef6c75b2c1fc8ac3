"""Jobs among others, and executions in line, in words for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from windmill.cli.session import Session
from windmill.cli.text import count, relative, state_word
from windmill.core.documents import Document, from_text
from windmill.core.line import Place, by_execution, line
from windmill.core.lineage import awaited, lineage, taken
from windmill.core.model import TERMINAL, When
from windmill.core.ports import ExecutionFilter

HOW = {When.FAILURE: "when {} failed", When.ANY: "however {} ended", When.SUCCESS: "after {}"}


def chain(session: Session, job: Document, jobs: Sequence[Document]) -> list[str]:
    """Return a line for each job of the chain, those that come first first; none for a job by itself."""
    found, known = lineage(job["id"], jobs), {one["id"]: one for one in jobs}
    if not found:
        return []
    newest = {key: last for key in found.jobs if (last := _newest(session, key))}
    lines = []
    for depth, level in enumerate(found.levels):
        for key in level:
            mark = "*" if key == job["id"] else " "
            told = _told(session, known.get(key), newest.get(key))
            lines.append(f"{mark} {'  ' * depth}{key}  {told}")
    lines += [f"and {count(found.more, 'more job')}"] if found.more else []
    return [*lines, *_waits(session, job, newest)]


def line_of(session: Session) -> dict[str, Place]:
    """Return where the executions that wait for a place stand, by id, as far as a scheduler tells."""
    return by_execution(line(session.store.status("scheduler"))) if session.scheduler_alive else {}


def in_line(place: Place) -> str:
    """Return where an execution stands, and for what it waits."""
    if place.taken < place.cap:
        return "starts any moment"
    where = "next in line" if place.number == 1 else f"number {place.number} in line"
    if place.group:
        return f"{where}: group {place.group} is full ({place.taken} of {place.cap})"
    return f"{where}: all places are taken ({place.cap})"


def _told(session: Session, job: Document | None, last: Document | None) -> str:
    if job is None:
        return "is not there"
    parts = ["never ran"]
    if last is not None:
        at = from_text(last["started_at"] or last["queued_at"]) or session.now
        parts = [f"{state_word(last['state'])} {relative(at, session.now)}"]
    parts += [HOW[When(above["when"])].format(above["job"]) for above in job.get("after", ())]
    return ", ".join(parts)


def _waits(session: Session, job: Document, newest: Mapping[str, Document]) -> Iterator[str]:
    last = newest.get(job["id"])
    busy = last is not None and last["state"] not in TERMINAL
    if job["document"].get("schedule") or busy or job["paused"] or not job["enabled"]:
        return
    retries = (session.store.status("scheduler") or {}).get("retries", ())
    if waits := awaited(job, newest, taken(session.store, job["id"]), [one["job"] for one in retries]):
        yield f"waits for {' and '.join(waits)}"


def _newest(session: Session, key: str) -> Document | None:
    return next(iter(session.store.executions(ExecutionFilter(job=key), limit=1).items), None)
