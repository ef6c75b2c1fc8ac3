"""`plan`: what the files would change, compared with what the store remembers."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Final

import rich_click as click

from windmill.cli.check import as_facts, print_problems
from windmill.cli.errors import Exit
from windmill.cli.known import from_files, schedule_of
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean, count, relative
from windmill.cli.upcoming import upcoming
from windmill.core.documents import Document, from_text, to_text

STARTS: Final = 3
SIGNS: Final = {"added": "+", "changed": "~", "removed": "-"}


@click.command(cls=Verb)
@click.pass_obj
def plan(session: Session) -> int:
    """Show what the files change against the jobs the scheduler knows, and what that does to their next starts.

    Examples:
        windmill plan
        windmill plan --json

    A running scheduler puts saved files into effect at once: there this shows nothing. It shows what changed while
    the scheduler was down. Nothing is done. Exit status 3 if a file has a problem.
    """
    found = as_facts(session.catalog.problems)
    changes = _changes(session)
    if session.json:
        session.print_json(changes | {"problems": found})
        return Exit.PROBLEMS if found else Exit.OK
    for what, sign in SIGNS.items():
        for change in changes[what]:
            _print_change(session, sign, change)
    print_problems(found)
    session.say(", ".join(f"{len(changes[what])} {what}" for what in SIGNS) + f", {count(len(found), 'problem')}")
    return Exit.PROBLEMS if found else Exit.OK


def _changes(session: Session) -> dict[str, list[Document]]:
    before = {job["id"]: job for job in session.store.jobs() if not job["deleted"]}
    after = {job["id"]: job for job in from_files(session)}
    kept = session.catalog.unreadable
    changed = [key for key in after.keys() & before.keys() if after[key]["digest"] != before[key]["digest"]]
    keys = {
        "added": after.keys() - before.keys(),
        "changed": changed,
        "removed": [] if kept else before.keys() - after.keys(),
    }
    now = session.now
    return {
        what: [
            {
                "job": key,
                "file": (after.get(key) or before[key])["file"],
                "before": _starts(session, before.get(key), now),
                "after": _starts(session, after.get(key), now),
            }
            for key in sorted(some)
        ]
        for what, some in keys.items()
    }


def _starts(session: Session, job: Document | None, now: datetime) -> list[str | None]:
    if job is None:
        return []
    return [to_text(start) for start in islice(upcoming(schedule_of(session, job), job, now), STARTS)]


def _print_change(session: Session, sign: str, change: Document) -> None:
    print(f"{sign} {clean(change['job'])}  ({clean(change['file'])})")
    for name in ("before", "after"):
        if change[name]:
            first = from_text(change[name][0])
            distance = f" ({relative(first, session.now)})" if first else ""
            print(f"    {name:<6}  next {', '.join(change[name])}{distance}")
