"""`sign-in`: a link that lets a browser act in the dashboard, or the hash of a password."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session


@click.command("sign-in", cls=Verb)
@click.option(
    "--hash", "hashed", is_flag=True, help="Ask for a password, and print what windmill.toml may know of it."
)
@click.pass_obj
def sign_in(session: Session, hashed: bool) -> None:
    """Print a link that signs a browser in to the dashboard: once, within 15 minutes.

    Examples:
        windmill sign-in             open the link on this machine
        windmill sign-in --hash      for [dashboard.users.NAME] password, with auth = "basic"

    Who may read the home's state directory may print one, and so act. Sessions last 12 hours.
    """
    if hashed:
        _hash()
        return
    from windmill.app.sign_in import Links, address, link
    from windmill.core.errors import Refused
    from windmill.scheduler.clock import now

    home = session.home
    auth = home.settings.dashboard.auth
    if auth != "link":
        raise Refused(
            f'people sign in by {auth} here, not by link: [dashboard] auth = "{auth}" in windmill.toml',
            hint=f"open {address(home)}/sign-in",
        )
    url = address(home)
    if not _answers(url):
        session.say(f"No dashboard answers at {url} now: windmill up, or windmill dashboard, starts one.")
    signed = link(url, Links(home, now).make())
    if session.json:
        session.print_json({"url": signed})
    else:
        print(signed)


def _hash() -> None:
    from werkzeug.security import generate_password_hash

    from windmill.dashboard.proofs import HASH_METHOD, SECRET_MAX

    typed = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(typed) > SECRET_MAX:
        raise click.UsageError(f"a password has at most {SECRET_MAX} characters")
    print(generate_password_hash(typed, method=HASH_METHOD))


def _answers(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 80), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True
