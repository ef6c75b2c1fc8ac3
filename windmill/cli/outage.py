"""What is said while the store is away: since when, how much waits, and that jobs go on. From local files alone."""

from __future__ import annotations

from windmill.cli.session import Session
from windmill.cli.text import local, relative, size
from windmill.core.documents import Document, from_text
from windmill.core.errors import Unavailable


def outage(session: Session) -> Document | None:
    """Return what the recorder last said of a store that is away for it too, or None.

    See `windmill.scheduler.backlog.read` for what is in it.
    """
    from windmill.scheduler import backlog

    known = backlog.read(session.home.state)
    return known if known and known["away_since"] else None


def in_words(session: Session, error: Unavailable, known: Document | None) -> str:
    """Return one sentence on a store that did not answer us; `known` is the `outage`."""
    if known is None:
        return error.message
    since = from_text(known["away_since"]) or session.now
    goes_on = "jobs go on" if session.scheduler_alive else "no scheduler is running"
    cut = ", output that does not fit is cut" if known["full"] else ""
    return (
        f"the store is away since {local(since)} ({relative(since, session.now)}): {error.message}; "
        f"{size(known['bytes'])} wait in the journal{cut}, and {goes_on}"
    )
