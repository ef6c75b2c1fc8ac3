"""One request, one verdict: by a deadline, to an address that was judged, and read no further than the status."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Sequence
from functools import cache
from typing import Final

from windmill.core.errors import WindmillError
from windmill.heartbeats.address import Address, Network, Resolve, Url, permitted, resolved
from windmill.heartbeats.ping import Request

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 5.0
ANSWER_MAX: Final = 4096  # bytes within which the status must come
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


class Undelivered(WindmillError):
    """The request did not come through; `again` says that a further try may help."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


def send(
    url: Url,
    request: Request,
    *,
    allow: Sequence[Network] = (),
    resolve: Resolve = resolved,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    trust: ssl.SSLContext | None = None,
) -> None:
    """Send the request; a proxy is never used and a redirect never followed. `trust` is the machine's by default.

    Raises WindmillError without any part of the URL: Undelivered, or what `permitted` raises.
    """
    addresses = permitted(url, allow, resolve)
    context = (trust or _trust()) if url.secure else None
    try:
        with _connected(url, addresses, connect_seconds, context) as connection:
            client = _client(url, context)
            client.sock = connection  # what is open already is not opened to somewhere else
            headers = {"User-Agent": "WindMill", "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
            connection.settimeout(read_seconds)
            client.request(request.method, request.target, request.body or None, headers)
            status = _status(connection, time.monotonic() + read_seconds)
    except ssl.SSLError:
        raise Undelivered("the host's certificate or its TLS is not accepted", again=False) from None
    except TimeoutError:
        raise Undelivered("no answer in time", again=True) from None
    except OSError as error:
        raise Undelivered(error.strerror or "the connection broke", again=True) from None
    if status is None:
        raise Undelivered("what answers does not speak HTTP", again=True)
    if not 200 <= status < 300:  # noqa: PLR2004 - the class of good answers
        redirected = " (a redirect, which is not followed)" if 300 <= status < 400 else ""  # noqa: PLR2004
        raise Undelivered(f"the answer was {status}{redirected}", again=status >= 500 or status == 429)  # noqa: PLR2004


def _connected(
    url: Url, addresses: Sequence[Address], seconds: float, context: ssl.SSLContext | None
) -> socket.socket:
    """Return a connection to the first address that takes one, the time shared by all of them."""
    deadline = time.monotonic() + seconds
    failure: OSError = TimeoutError()
    for address in addresses:
        if (left := deadline - time.monotonic()) <= 0:
            break
        try:
            plain = socket.create_connection((str(address), url.port), timeout=left)
        except OSError as error:
            failure = error
            continue
        return _secured(plain, url.host, deadline, context) if context else plain
    raise failure


def _secured(plain: socket.socket, host: str, deadline: float, context: ssl.SSLContext) -> socket.socket:
    try:
        plain.settimeout(max(0.001, deadline - time.monotonic()))
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _client(url: Url, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context:
        return http.client.HTTPSConnection(url.host, url.port, context=context)
    return http.client.HTTPConnection(url.host, url.port)


def _status(connection: socket.socket, deadline: float) -> int | None:
    """Return the status of the answer, or None for what is no HTTP."""
    got = b""
    while b"\n" not in got and len(got) < ANSWER_MAX:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(ANSWER_MAX - len(got))
        if not piece:
            break
        got += piece
    found = _STATUS.match(got)
    return int(found[1]) if found else None


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
