"""`notify`: the channels that messages go to, and what became of the messages."""

from __future__ import annotations

import logging

import rich_click as click

from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.core.documents import Document
from windmill.core.errors import NotFound, WindmillError
from windmill.log import Form


@click.group(cls=click.RichGroup, no_args_is_help=True)
def notify() -> None:
    """Try channels out, and see what was sent.

    Examples:
        windmill notify test team    sends a message now
        windmill notify list         what waits and what was sent

    Messages go out beside windmill up, as notify and expect of the job files ask for.
    """


@notify.command("test", cls=Verb)
@click.argument("channel")
@click.pass_obj
def send_test(session: Session, channel: str) -> int:
    """Send a message to a channel now, and say what came of it.

    Examples:
        windmill notify test team

    Exit status 1 when the channel does not take it, 4 when there is no such channel.
    """
    from windmill.app.channels import try_out

    error = ""
    try:
        try_out(session.home, channel, session.now)
    except NotFound:
        raise
    except WindmillError as refused:
        error = str(refused)
    if session.json:
        session.print_json({"channel": channel, "sent": not error, "error": error})
    elif error:
        raise WindmillError(f"{channel} did not take the message: {error}")
    else:
        session.say(f"{channel} took the message.")
    return Exit.FAILED if error else Exit.OK


@notify.command("list", cls=Verb)
@click.pass_obj
def list_all(session: Session) -> None:
    """List messages: those that wait, and the newest that were sent or given up.

    Examples:
        windmill notify list
        windmill notify list --json

    A message is given up after three days in which its channel took none.
    """
    known: Document = session.store.status("alerts") or {}
    rows = [row for channel in known.get("channels", ()) for row in _waiting(channel)] + list(known.get("recent", ()))
    columns = [
        Column(title="when", value=lambda row: row["at"]),
        Column(title="channel", value=lambda row: row["channel"]),
        Column(title="outcome", value=lambda row: row["outcome"]),
        Column(title="rule", value=lambda row: row["rule"]),
        Column(title="about", value=lambda row: row["about"]),
        Column(title="error", value=lambda row: row["error"]),
    ]
    show(session, columns, rows, empty="no message was sent yet")


@notify.command(cls=Verb, hidden=True)
@click.option("--log-format", type=click.Choice(["text", "json"]), hidden=True)
@click.option("--leashed", is_flag=True, hidden=True)
@click.pass_obj
def watch(session: Session, log_format: Form | None, leashed: bool) -> None:
    """Send the messages of the home until told to stop; windmill up does so by itself."""
    from windmill.app.alerts_process import run_alerts

    level = logging.WARNING if session.quiet else logging.INFO
    run_alerts(session.home, leashed=leashed, level=level, form=log_format)


def _waiting(channel: Document) -> list[Document]:
    return [
        {
            "at": one["found_at"],
            "channel": channel["channel"],
            "outcome": "waiting",
            "rule": one["rule"],
            "about": one["about"],
            "error": channel["error"],
            "key": f"{one['rule']} {one['about']} {one['first']}",
        }
        for one in channel["pending"]
    ]
