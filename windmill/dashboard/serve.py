"""Serves the dashboard by waitress, which nothing else here knows."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable

from flask import Flask
from waitress.server import create_server

from windmill.core.errors import Refused, WindmillError

# Measured: with the defaults of 4 threads and 100 connections, a hundred people who watch output lock everybody out;
# without the lookahead a viewer who vanished is noticed 13 seconds late.
THREADS = 160
CONNECTIONS = 1000
LOOKAHEAD = 1
HEADERS_MAX = 64 << 10  # bytes


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, port 0 being any that is free.

    Raises Refused where the port is taken, and for an address that others can reach: until there is a sign-in,
    everybody there could read everything.
    """
    address = _loopback(host)
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)  # noqa: PLR2004 - IPv6
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        hint = "--port N or [dashboard] port in windmill.toml chooses another; 0 is any that is free"
        raise Refused(f"the dashboard cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
    return listener


def serve(app: Flask, listener: socket.socket, *, body_max: int, ready: Callable[[str], None]) -> None:
    """Serve until the process ends. `ready` gets the URL once requests are answered."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,
        channel_request_lookahead=LOOKAHEAD,
        max_request_body_size=body_max,
        max_request_header_size=HEADERS_MAX,
        ident="",
        clear_untrusted_proxy_headers=True,
    )
    ready(url(listener))
    server.run()


def url(listener: socket.socket) -> str:
    """Return where a browser on this machine finds the socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{'localhost' if ':' in host else host}:{port}"


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise WindmillError(f"the dashboard cannot listen on {host}: write an address, as 127.0.0.1") from None
    if not address.is_loopback:
        raise Refused(
            f"the dashboard does not listen on {host}: it has no sign-in yet, and everybody there could read all",
            hint="listen on 127.0.0.1; a proxy or an ssh tunnel can bring in what has to come from elsewhere",
        )
    return address
