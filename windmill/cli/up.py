"""`up`: the scheduler in the foreground."""

from __future__ import annotations

import logging

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.log import Form, pass_on


@click.command(cls=Verb)
@click.option("--once", is_flag=True, help="Run what is due now, wait for it to end, and leave.")
@click.option(
    "--host", help="Where the dashboard listens; others than this machine need [dashboard] auth.", metavar="H"
)
@click.option("--port", type=click.IntRange(0, 65_535), help="On which port; 0 is any that is free.", metavar="N")
@click.option("--no-dashboard", is_flag=True, help="Only the scheduler.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="How messages are written; default: [log] format."
)
@click.pass_obj
def up(
    session: Session, *, once: bool, host: str | None, port: int | None, no_dashboard: bool, log_format: Form | None
) -> int:
    """Run the home's jobs at their times until told to stop.

    Examples:
        windmill up           until Ctrl-C
        windmill up --once    what is due now, then leave; for cron or CI

    Files are watched: a saved job is in effect at once. The first Ctrl-C waits for running jobs, a second one stops
    them. SIGTERM leaves them running; the next windmill up takes them over. SIGHUP reads all files again.
    """
    from windmill.app.serve import serve

    level = logging.WARNING if session.quiet else logging.DEBUG if session.verbose else logging.INFO
    if once:
        return serve(session.home, once=once, level=level, form=log_format)
    from windmill.app.beside import alerts_process, dashboard_process, together

    place = [*(["--host", host] if host else []), *([] if port is None else ["--port", str(port)])]
    options = [*(["--quiet"] if session.quiet else []), *(["--log-format", log_format] if log_format else [])]
    say = pass_on if (log_format or session.home.settings.log_format) == "json" else session.say
    pages = None if no_dashboard else dashboard_process(session.home, [*place, *options], say)
    beside = together([pages, alerts_process(session.home, options, say)])
    return serve(session.home, level=level, form=log_format, beside=beside)
