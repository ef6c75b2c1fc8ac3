"""`restore`: from the files of a dump into the store."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import count
from windmill.core.documents import to_text


@click.command(cls=Verb)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_obj
def restore(session: Session, directory: Path) -> None:
    """Read a dump of windmill export or mongodump, packed or not, into the store that this home uses.

    Examples:
        windmill restore /backup/today
        windmill restore /backup/today/windmill     the directory of the database itself

    What is in the store already stays as it is, so that a restore that was interrupted is simply done again. No
    scheduler may run meanwhile.
    """
    from windmill.store.restore import restore as read

    with _alone(session), closing(session.home.store(readonly=False)) as store:
        counts = read(store, directory)
    rows = [
        {"collection": name, "read": done.read, "added": done.added, "known": done.read - done.added}
        for name, done in counts.items()
    ]
    columns = [
        Column(title="collection", value=lambda row: row["collection"]),
        Column(title="read", value=lambda row: row["read"], right=True),
        Column(title="added", value=lambda row: row["added"], right=True),
        Column(title="known", value=lambda row: row["known"], right=True),
    ]
    show(session, columns, rows)
    session.say(f"{count(sum(done.added for done in counts.values()), 'document')} added")


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Hold the home, so that no scheduler starts meanwhile. Raises Refused, naming the one that runs."""
    from windmill import __version__
    from windmill.scheduler.lock import HomeLock

    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_at": to_text(session.now),
        "version": __version__,
    }
    session.home.make_state()
    with closing(HomeLock(session.home.state / "lock", holder=holder)):
        yield
