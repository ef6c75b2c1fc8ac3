"""`pause` and `resume`: hold a job's schedule, and let it go again."""

from __future__ import annotations

import rich_click as click

from windmill.app.times import parse_until
from windmill.cli.asking import ask, leave, new_request
from windmill.cli.known import complete_job, wanted_key
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import local, relative
from windmill.core import wishes
from windmill.core.documents import Document
from windmill.core.model import is_system


@click.command(cls=Verb)
@click.argument("job", shell_complete=complete_job)
@click.option("--until", metavar="INSTANT|DURATION", help="When it goes on by itself; default: when resumed.")
@click.option("--note", default="", help="Why; shown with the job.")
@click.pass_obj
def pause(session: Session, job: str, until: str | None, note: str) -> None:
    """Hold a job's schedule; every slot that comes due meanwhile is recorded as skipped.

    Examples:
        windmill pause nightly --until 2h --note "database upgrade"
        windmill pause nightly --until 2026-01-31T06:00

    An instant without an offset is read in the home's zone. What runs already goes on, and windmill run still works.
    """
    end = parse_until(until, now=session.now, timezone=session.home.settings.timezone) if until else None
    key = job if is_system(job) else wanted_key(session, job)
    _hand_over(session, new_request(session, **wishes.pause(key, end, note)))
    length = f"until {local(end)} ({relative(end, session.now)})" if end else "until it is resumed"
    session.say(f"{key} is paused {length}; windmill resume {key} ends it")


@click.command(cls=Verb)
@click.argument("job", shell_complete=complete_job)
@click.pass_obj
def resume(session: Session, job: str) -> None:
    """End a job's pause now.

    Examples:
        windmill resume nightly

    Slots that were left out stay skipped; the job goes on with its next one.
    """
    key = wanted_key(session, job)
    _hand_over(session, new_request(session, "resume", job=key))
    session.say(f"{key} goes on; windmill next {key} says when")


def _hand_over(session: Session, request: Document) -> None:
    if session.scheduler_alive:
        ask(session, request)
    else:
        leave(session, request)
