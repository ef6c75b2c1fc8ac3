"""`projects` and `sync`: where the code comes from, what of it is live, and bringing it up to date."""

from __future__ import annotations

from datetime import datetime

import rich_click as click
from click.shell_completion import CompletionItem

from windmill.cli.asking import new_request
from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.run import start
from windmill.cli.session import Session
from windmill.cli.tables import Column, show, show_facts
from windmill.cli.text import local, one_line, relative
from windmill.core import wishes
from windmill.core.documents import Document, from_text
from windmill.core.errors import NotFound, Refused, WindmillError
from windmill.core.model import State, is_system

STYLES = {"synced": "green", "behind": "yellow", "held": "yellow", "error": "red", "failing": "red", "ok": "green"}
SHORT = 12  # digits of a commit that people are shown


def complete_project(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the projects that `incomplete` begins, for the shell; nothing where the home cannot be read."""
    session = context.find_object(Session) or Session()
    try:
        return [CompletionItem(name) for name in session.home.projects.names() if name.startswith(incomplete)]
    except WindmillError:
        return []


@click.command(cls=Verb)
@click.argument("project", required=False, shell_complete=complete_project)
@click.pass_obj
def projects(session: Session, project: str | None) -> None:
    """List the projects: what is live, how its source stands to it, and how its jobs do.

    Examples:
        windmill projects             all of them
        windmill projects reports     everything known of one

    Sync: synced; behind, a newer revision is on its way; held, it waits for `windmill sync --accept`; error, see the
    last attempt; in place, a plain directory that needs no sync. Health is of the jobs: ok, failing, or unknown.
    """
    rows = project_rows(session)
    if project is None:
        columns = [
            Column(title="project", value=lambda row: row["id"]),
            Column(title="from", value=lambda row: row["kind"]),
            Column(title="sync", value=lambda row: row["sync"], style=lambda row: STYLES.get(row["sync"], "")),
            Column(title="health", value=lambda row: row["health"], style=lambda row: STYLES.get(row["health"], "")),
            Column(title="revision", value=lambda row: row["revision"], pretty=lambda row: short(row["revision"])),
            Column(title="what", value=_subject, pretty=lambda row: one_line(_subject(row))),
            Column(title="error", value=lambda row: row["error"], pretty=lambda row: one_line(row["error"])),
        ]
        show(session, columns, rows, empty="no projects: make a directory under projects/, or name a git source")
        return
    row = next((row for row in rows if row["id"] == project), None)
    if row is None:
        names = ", ".join(row["id"] for row in rows) or "none"
        raise NotFound(f'there is no project "{project}"', hint=f"the projects of this home: {names}")
    if session.json:
        session.print_json(row)
    else:
        show_facts(session, _facts(row, session.now))


@click.command(cls=Verb)
@click.argument("project", required=False, shell_complete=complete_project)
@click.option("--accept", is_flag=True, help="Publish also a revision that removes most of the project's jobs.")
@click.option("-d", "--detach", is_flag=True, help="Print the execution's id and leave at once.")
@click.pass_obj
def sync(session: Session, project: str | None, accept: bool, detach: bool) -> int:
    """Bring a project up to date now, or all of them, and show what happens.

    Examples:
        windmill sync                     all projects that have a source
        windmill sync reports             one
        windmill sync reports --accept    let it remove most of its jobs

    A sync fetches, verifies, checks and builds before anything goes live; what fails leaves the live revision as it
    is. It is recorded like every execution. Exit status 1 when something was not published.
    """
    known = session.home.projects.all()
    if project is not None and project not in known:
        raise NotFound(f'there is no project "{project}"', hint=f"the projects of this home: {', '.join(known)}")
    if project is not None and not known[project].syncs:
        raise Refused(f"{project} is used in place: there is nothing to sync", hint="its files count as they are")
    wanted = [project] if project else [name for name, one in known.items() if one.syncs]
    if not wanted:
        session.say("no project has a source to sync from; plain directories are used in place")
    statuses = []
    for name in wanted:
        request = new_request(session, **wishes.sync(name, accept=accept))
        statuses.append(start(session, request, detach=detach))
    return max(statuses, default=Exit.OK)


def project_rows(session: Session) -> list[Document]:
    """Return every project as a document: what the scheduler last said of its source, and its jobs' health."""
    from windmill.projects.poller import Sight, describe, sight_of

    told = session.store.status("projects") or {} if session.scheduler_alive else {}
    said: dict[str, Document] = {row["id"]: row for row in told.get("projects", [])}
    health = _health(session)
    rows = []
    for name, project in session.home.projects.all().items():
        published = session.home.projects.live(project)
        sight = sight_of(said[name]) if name in said else Sight(project=name)
        row = describe(project, published, sight)
        if not project.syncs:
            row = row | {"sync": "in place"}
        revision = row["applied"]["revision"] if row["applied"] else _revision(session, name)
        rows.append(row | {"health": health.get(name, "unknown"), "revision": revision})
    return rows


def short(revision: str) -> str:
    """Return the revision with its hash cut to what people compare: main@3f2a91c0d4e5."""
    name, _, digest = revision.rpartition(":")
    ref = name.removesuffix("@sha1") if "@" in name else name
    return f"{ref}@{digest[:SHORT]}" if digest else revision


def _revision(session: Session, name: str) -> str:
    try:
        return session.home.projects.locate(name).revision or ""
    except WindmillError:
        return ""


def _health(session: Session) -> dict[str, str]:
    """Return for each project whose jobs have run: failing when the newest execution of any of them failed."""
    health: dict[str, str] = {}
    for key, execution in session.store.latest_executions().items():
        project = key.partition("/")[0]
        if is_system(key) or health.get(project) == "failing":
            continue
        failed = execution["state"] in (State.FAILED, State.TIMED_OUT, State.LOST)
        health[project] = "failing" if failed else "ok"
    return health


def _subject(row: Document) -> str:
    applied = row["applied"]
    return str(applied["subject"]) if applied else ""


def _facts(row: Document, now: datetime) -> list[tuple[str, object]]:
    applied, attempted = row["applied"] or {}, row["attempted"] or {}
    poll = from_text(row["next_poll"])
    return [
        ("project", row["id"]),
        ("from", f"{row['kind']} {row['ref']} {row['path']}".strip()),
        ("sync", row["sync"]),
        ("health", row["health"]),
        ("live revision", row["revision"]),
        ("author", applied.get("author", "")),
        ("subject", applied.get("subject", "")),
        ("published", _when(applied.get("published_at"), now)),
        ("environment", applied.get("environment", "")),
        ("last attempt", f"{attempted['outcome']}: {attempted['revision']}" if attempted else ""),
        ("attempted", _when(attempted.get("at"), now)),
        ("error", row["error"]),
        ("would remove", ", ".join(attempted.get("removes", []))),
        ("next poll", relative(poll, now) if poll else ""),
    ]


def _when(text: str | None, now: datetime) -> str:
    instant = from_text(text or None)
    return f"{local(instant)} ({relative(instant, now)})" if instant else ""
