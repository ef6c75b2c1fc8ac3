"""The channels of a home as they are now: where they lead, whether they can be used, sending to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from windmill.alerts import channels, letters
from windmill.app.home import Home
from windmill.app.sign_in import address
from windmill.app.unheard import channel_problem, without_extra
from windmill.core.errors import NotFound, Problem, WindmillError
from windmill.core.zones import zone
from windmill.jobs.words import nearest
from windmill.projects.fingerprint import secret
from windmill.projects.settings import SecretSource
from windmill.settings import Settings


def url_of(settings: Settings, environ: Mapping[str, str], name: str) -> str:
    """Return the URL of the channel. Raises NotFound for an unknown one, WindmillError where the URL is not set."""
    source = settings.channels.get(name)
    if source is None:
        raise NotFound(f'there is no channel "{name}"', hint=nearest(name, sorted(settings.channels)))
    return _url(source, environ, name)


def _url(source: SecretSource, environ: Mapping[str, str], name: str) -> str:
    return secret(source, environ, f"URL of the channel {name}")


def base_link(home: Home, settings: Settings) -> str:
    """Return where people find the dashboard."""
    return settings.dashboard.url or address(home)


def try_out(home: Home, name: str, now: datetime) -> None:
    """Send a message to the channel now. Raises WindmillError where it does not take it, NotFound for no channel."""
    settings = home.settings
    url = url_of(settings, home.environ, name)
    trial = letters.trial(name, now, link=base_link(home, settings), zone=zone(settings.timezone))
    channels.send(url, trial)


def mistakes(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with the channels, as far as can be said without sending anything."""
    if missing := without_extra(settings):
        return missing
    found = []
    for name, source in settings.channels.items():
        try:
            channels.check(_url(source, environ, name))
        except WindmillError as error:
            found.append(channel_problem(f"channels.{name}: {error.message}", error.hint))
    return found
