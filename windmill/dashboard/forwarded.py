"""What a proxy says of a request: believed where the proxy is ours, and taken away where it is not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, Final

from windmill.dashboard.access import Access

PEER: Final = "windmill.peer"
CAME_THROUGH: Final = "windmill.forwarded"
HEADERS: Final = tuple(
    f"HTTP_{name}" for name in ("X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "X_REAL_IP", "FORWARDED")
)


class Forwarded:
    """A WSGI application around another: with the client's address and scheme in place of the proxy's.

    PEER holds who really connected; CAME_THROUGH whether somebody says that they only pass on.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], access: Callable[[], Access]) -> None:
        self._app, self._access = app, access

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on."""
        said = {name: str(environ.pop(name, "")) for name in HEADERS}
        peer = environ[PEER] = str(environ.get("REMOTE_ADDR", ""))
        environ[CAME_THROUGH] = any(said.values())
        if environ[CAME_THROUGH] and self._access().trusts(peer):
            if (scheme := _last(said["HTTP_X_FORWARDED_PROTO"]).lower()) in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            if client := _address(_last(said["HTTP_X_FORWARDED_FOR"])):
                environ["REMOTE_ADDR"] = client
        return self._app(environ, start_response)


def _last(value: str) -> str:
    """Return what the nearest proxy wrote: what stands before it, anybody may have sent."""
    return value.rpartition(",")[2].strip()


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
