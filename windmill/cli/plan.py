"""`plan`: what a change would do, told before it is live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from windmill.cli.check import as_facts, print_problems
from windmill.cli.errors import Exit
from windmill.cli.known import from_files, schedule_of
from windmill.cli.places import place_of
from windmill.cli.projects import complete_project
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean, count, relative
from windmill.core.documents import Document, from_text
from windmill.core.errors import Refused
from windmill.core.model import is_system

if TYPE_CHECKING:
    from windmill.app.checkout import Checkout

SIGNS: Final = {"added": "+", "changed": "~", "removed": "-"}
HEAD: Final = "HEAD"
WOULD: Final = {
    "refused": "This would not go live: a sync refuses all of it for the problems of its code or requirements.",
    "held": "This would not go live by itself: it removes most jobs. windmill sync PROJECT --accept lets it.",
}


@click.command(cls=Verb)
@click.argument("target", required=False, metavar="[PATH|REF]")
@click.option("--project", help="The project that PATH or REF is of.", shell_complete=complete_project)
@click.option("--check", is_flag=True, help="Exit with 3 when something would change.")
@click.pass_obj
def plan(session: Session, target: str | None, project: str | None, check: bool) -> int:
    """Show what a change would do: jobs, their next starts, environments to build, problems. Nothing is done.

    Examples:
        windmill plan                             in a home: saved files against what the scheduler knows
        windmill plan origin/main                 in a jobs repository: its files against that branch
        windmill plan --project reports v2        in a home: a fetched ref or commit against what is live
        windmill plan --project reports ~/reports in a home: a working copy against what is live

    In a jobs repository HEAD is what is compared with unless another ref is named; neither a home nor a scheduler is
    needed, and no git command looks at the files. A running scheduler puts a home's saved files into effect at once:
    there `windmill plan` shows what changed while it was down. Exit status 3 if there is a problem, and with --check
    also if something would change.
    """
    found = _found(session, target, project)
    problems: list[Document] = found["problems"]
    changed = any(found[what] for what in (*SIGNS, "environments"))
    if session.json:
        session.print_json(found)
    else:
        _print(session, found)
    return Exit.PROBLEMS if problems or (check and changed) else Exit.OK


def _found(session: Session, target: str | None, project: str | None) -> Document:
    from windmill.app.planning import plan_checkout, plan_project

    place = _directory(target)
    checkout = place_of(session, [], project)
    if checkout is None:
        if target is None and project is None:
            return _saved(session)
        name = project or _only_project(session)
        if target is None and name in (known := session.home.projects.all()):
            target = known[name].settings.ref
        remembered = {job["id"]: job for job in session.store.jobs()}
        return plan_project(session.home, name, place or str(target), remembered, session.now)
    if place is not None:
        checkout, target = _checkout_at(session, place, project), None
    return plan_checkout(checkout, target or HEAD, session.environ, session.now)


def _saved(session: Session) -> Document:
    """Return what the home's files change against what its scheduler knew last."""
    from windmill.app.planning import Wanted, changes

    known = {job["id"]: job for job in session.store.jobs() if not job["deleted"] and not is_system(job["id"])}
    before = {key: Wanted(job, schedule_of(session, job)) for key, job in known.items()}
    after = {job["id"]: Wanted(job, schedule_of(session, job)) for job in from_files(session)}
    found = changes(before, after, session.now, kept=bool(session.catalog.unreadable))
    return {**found, "environments": [], "problems": as_facts(session.catalog.problems)}


def _directory(target: str | None) -> Path | None:
    """Return the target as a working copy if it is the path of one; else it is a ref."""
    path = Path(target) if target else None
    return path if path and any((path / name).exists() for name in ("jobs.d", ".git")) else None


def _checkout_at(session: Session, place: Path, project: str | None) -> Checkout:
    checkout = place_of(session, [place], project)
    if checkout is None:
        raise Refused(f"{place} is no jobs repository: it holds no jobs.d/", hint="in a home, name the --project too")
    return checkout


def _only_project(session: Session) -> str:
    from windmill.projects.known import Kind

    names = [name for name, project in session.home.projects.all().items() if project.kind is Kind.GIT]
    if len(names) != 1:
        raise Refused("which project is meant?", hint="windmill plan --project NAME ..., of: " + ", ".join(names))
    return names[0]


def _print(session: Session, found: Document) -> None:
    for what, sign in SIGNS.items():
        for change in found[what]:
            _print_change(session, sign, change)
    for environment in found["environments"]:
        python = f" for Python {environment['python']}" if environment["python"] else ""
        print(clean(f"! environment of {environment['file']} is to be built{python}"))
    print_problems(found["problems"])
    said = [f"{len(found[what])} {what}" for what in SIGNS]
    said += [count(len(found["environments"]), "environment") + " to build"] if found["environments"] else []
    session.say(", ".join([*said, count(len(found["problems"]), "problem")]))
    if would := WOULD.get(found.get("outcome", "")):
        session.say(would)


def _print_change(session: Session, sign: str, change: Document) -> None:
    keys = ": " + ", ".join(change["keys"]) if change["keys"] else ""
    print(clean(f"{sign} {change['job']}  ({change['file']}){keys}"))
    for name in ("before", "after"):
        if change[name]:
            first = from_text(change[name][0])
            distance = f" ({relative(first, session.now)})" if first else ""
            print(f"    {name:<6}  next {', '.join(change[name])}{distance}")
