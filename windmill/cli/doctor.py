"""`doctor`: what stands in the way, and how to remove it."""

from __future__ import annotations

import rich_click as click

from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.core.documents import Document

STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(cls=Verb)
@click.pass_obj
def doctor(session: Session) -> int:
    """Look at the machine, the home, the store and the scheduler, and say what to do about each fault.

    Examples:
        windmill doctor
        windmill doctor --json

    Exit status 3 when something is a problem, 5 when that is the store which does not answer; a warning is none.
    """
    from windmill.cli.checkup import checkup

    found: list[Document] = [check._asdict() for check in checkup(session)]
    columns = [
        Column(title="verdict", value=lambda row: row["verdict"], style=lambda row: STYLES[row["verdict"]]),
        Column(title="about", value=lambda row: row["about"]),
        Column(title="found", value=lambda row: row["found"]),
        Column(title="to do", value=lambda row: row["fix"]),
    ]
    show(session, columns, found)
    if "store_failure" in session.__dict__ and session.store_failure:
        return Exit.UNREACHABLE
    return Exit.PROBLEMS if any(row["verdict"] == "problem" for row in found) else Exit.OK
