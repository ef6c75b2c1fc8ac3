"""`export`: everything the store keeps, as files."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import count


@click.command(cls=Verb)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--gzip", "packed", is_flag=True, help="Compress the files, as mongodump --gzip does.")
@click.pass_obj
def export(session: Session, directory: Path, *, packed: bool) -> None:
    """Write executions, outputs, jobs, status and requests into a new directory, in the format of mongodump.

    Examples:
        windmill export /backup/today
        windmill export --gzip /backup/today
        windmill restore /backup/today          into the store of this or another home
        mongorestore /backup/today              the same with MongoDB's own tool; packed files need --gzip

    A scheduler may go on meanwhile: each collection is written as it is at one moment, and what is recorded later
    is left out. To move to another store, stop the scheduler first. The files hold outputs and params; only their
    owner may read them.
    """
    from windmill.store.export import export as write

    if session.scheduler_alive:
        session.say("a scheduler is running: what it records from now on is not in the dump")
    counts = write(session.store, directory, database=session.home.database, packed=packed)
    columns = [
        Column(title="collection", value=lambda row: row["collection"]),
        Column(title="documents", value=lambda row: row["documents"], right=True),
    ]
    show(session, columns, [{"collection": name, "documents": number} for name, number in counts.items()])
    session.say(f"{count(sum(counts.values()), 'document')} in {directory / session.home.database}")
