"""Channels by apprise, which is imported when it is needed. No URL, and no part of one, is ever in a message."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from windmill.alerts.letters import Letter
from windmill.core.errors import WindmillError

if TYPE_CHECKING:
    import apprise

EXTRA: Final = "pip install 'windmill-scheduler[alerts]'"
_STATUS: Final = re.compile(r"\berror[ =:]+(\d{3})\b")


def available() -> bool:
    """Return True when messages can be sent: apprise is installed."""
    return importlib.util.find_spec("apprise") is not None


def check(url: str) -> None:
    """Raise WindmillError for a URL that is none of a channel."""
    _channel(url)


def send(url: str, letter: Letter) -> None:
    """Send the message now; a WindmillError says why the channel did not take it. May take half a minute."""
    from apprise import NotifyFormat  # noqa: PLC0415 - see the module

    channel = _channel(url)
    result = channel.notify(title=letter.subject, body=letter.body, body_format=NotifyFormat.TEXT)
    if not result:
        raise WindmillError(_why(str(line) for line in result.logs()))


def _channel(url: str) -> apprise.Apprise:
    if not available():
        raise WindmillError("channels need apprise, which is not installed", hint=EXTRA)
    import apprise  # noqa: PLC0415 - see the module

    _quiet()
    channel = apprise.Apprise()
    if not channel.add(url):
        raise WindmillError(
            "the URL is none that apprise knows", hint="see the manual, and apprise for how each service is named"
        )
    return channel


def _quiet() -> None:
    """Keep apprise from saying by itself what it was called with."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _why(lines: Iterable[str]) -> str:
    """Return what apprise said in words that hold nothing of the URL."""
    said = " ".join(lines)
    if status := _STATUS.search(said):
        return f"the server answered with status {status[1]}"
    if "onnection" in said:
        return "the server cannot be reached, or broke off"
    return "the server did not take the message"
