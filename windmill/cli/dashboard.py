"""`dashboard`: the pages alone, without a scheduler."""

from __future__ import annotations

import logging

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.log import Form


@click.command(cls=Verb)
@click.option("--host", help="Where to listen; others than this machine need [dashboard] auth.", metavar="H")
@click.option("--port", type=click.IntRange(0, 65_535), help="On which port; 0 is any that is free.", metavar="N")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="How messages are written; default: [log] format."
)
@click.option("--leashed", is_flag=True, hidden=True)
@click.pass_obj
def dashboard(session: Session, host: str | None, port: int | None, log_format: Form | None, leashed: bool) -> None:
    """Serve the dashboard and take in push webhooks, until told to stop; `windmill up` does so by itself.

    Examples:
        windmill dashboard              on http://127.0.0.1:5000
        windmill dashboard --port 0     on a free port, which is said

    Reading is open on this machine; to act, open the link that is printed, or another one of windmill sign-in.
    """
    from windmill.app.web import run_dashboard

    settings = session.home.settings.dashboard
    run_dashboard(
        session.home,
        host=host or settings.host,
        port=settings.port if port is None else port,
        say=session.say,
        level=logging.WARNING if session.quiet else logging.INFO,
        form=log_format,
        leashed=leashed,
    )
