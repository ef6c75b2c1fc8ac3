"""`env`: the virtual environments that hold the packages of projects."""

from __future__ import annotations

from dataclasses import asdict

import rich_click as click

from windmill.cli.asking import new_request
from windmill.cli.projects import complete_project, sync
from windmill.cli.root import Verb
from windmill.cli.run import start
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import count, relative, size
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, Refused
from windmill.core.model import SYNC

SHORT = 12  # digits of a key that people are shown
DAY = 86400.0  # seconds


@click.group(cls=click.RichGroup)
def env() -> None:
    """See, build and remove the environments that hold the packages of projects.

    Examples:
        windmill env show             all of them, and who uses them
        windmill env build reports    build what the live revision of a project needs
        windmill env prune            remove those that nothing needs

    One is built before the revision that needs it goes live, and shared by all that need the same.
    """


@env.command(cls=Verb, name="show")
@click.argument("project", required=False, shell_complete=complete_project)
@click.pass_obj
def show_all(session: Session, project: str | None) -> None:
    """List the environments, last used first, with the projects that use them; or those of one project.

    Examples:
        windmill env show
        windmill env show reports --json
    """
    from windmill.app.environments import environments, users

    _check(session, project)
    used = users(session.home.state)
    rows = [
        asdict(one) | {"used_at": to_text(one.used_at), "projects": sorted(used.get(one.key, ())), "at": one.used_at}
        for one in environments(session.home.state).all()
    ]
    columns = [
        Column(title="environment", value=lambda row: row["key"], pretty=lambda row: row["key"][:SHORT]),
        Column(title="python", value=lambda row: row["python"]),
        Column(title="from", value=lambda row: row["kind"]),
        Column(title="packages", value=lambda row: row["packages"], right=True),
        Column(title="size", value=lambda row: row["bytes"], pretty=lambda row: size(row["bytes"]), right=True),
        Column(title="projects", value=lambda row: ", ".join(row["projects"])),
        Column(title="used", value=lambda row: row["used_at"], pretty=lambda row: relative(row["at"], session.now)),
    ]
    wanted: list[Document] = [row for row in rows if project is None or project in row["projects"]]
    shown = (
        [{name: value for name, value in row.items() if name != "at"} for row in wanted] if session.json else wanted
    )
    show(session, columns, shown, empty="no environments: a project with requirements gets one by its sync")


@env.command(cls=Verb)
@click.argument("project", shell_complete=complete_project)
@click.pass_context
def build(context: click.Context, project: str) -> int:
    """Build the environment of the project's live revision if it is not there, and show what happens.

    Examples:
        windmill env build reports

    What is live stays as it is. A project that was never published is synced.
    """
    session = context.ensure_object(Session)
    _check(session, project)
    known = session.home.projects.all()
    applied = session.home.projects.live(known[project]).applied
    if applied is None or not applied.key:
        return int(context.invoke(sync, project=project, accept=False, detach=False))
    request = new_request(session, "run", job=f"{project}/{SYNC}", params={"revision": applied.key}, wait=True)
    return start(session, request, detach=False)


@env.command(cls=Verb)
@click.option("--days", type=click.IntRange(0), default=1, show_default=True, help="Keep what was used since.")
@click.pass_obj
def prune(session: Session, days: int) -> None:
    """Remove the environments that no revision on disk names, nothing runs from, and nobody used for some days.

    Examples:
        windmill env prune
        windmill env prune --days 0

    A sync does the same when it ends.
    """
    from windmill.app import environments

    gone = environments.prune(session.home.state, older_than=days * DAY)
    if session.json:
        session.print_json(gone)
    else:
        print(*gone, sep="\n", end="\n" if gone else "")
    session.say(f"removed {count(len(gone), 'environment')}")


def _check(session: Session, project: str | None) -> None:
    known = session.home.projects.all()
    if project is not None and project not in known:
        raise NotFound(f'there is no project "{project}"', hint=f"the projects of this home: {', '.join(known)}")
    if project is not None and not known[project].syncs:
        raise Refused(
            f"{project} has no environment: it runs with WindMill's own Python", hint="add requirements.txt"
        )
