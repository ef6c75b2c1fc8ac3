"""Serves the dashboard by waitress, which nothing else here knows."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

from windmill.core.errors import Refused, WindmillError

# Measured: with the defaults of 4 threads and 100 connections, a hundred people who watch output lock everybody out;
# without the lookahead a viewer who vanished is noticed 13 seconds late.
THREADS = 160
CONNECTIONS = 1000
LOOKAHEAD = 1
HEADERS_MAX = 64 << 10  # bytes


def listen(host: str, port: int, auth: str) -> socket.socket:
    """Return a socket that listens there, port 0 being any that is free.

    Raises Refused where the port is taken, and for an address that others can reach where people sign in by links:
    those are printed on this machine and go over the network in clear.
    """
    address = _address(host)
    if auth == "link" and not address.is_loopback:
        raise Refused(
            f"the dashboard does not listen on {host} while people sign in by links: others there could not sign in",
            hint='[dashboard] auth = "token", "basic", "proxy" or "oidc" in windmill.toml; the page on'
            " security says how. Or listen on 127.0.0.1, and let an ssh tunnel bring it to you",
        )
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


def serve(
    app: Flask, listener: socket.socket, *, body_max: int, larger: Mapping[str, int], ready: Callable[[str], None]
) -> None:
    """Serve until the process ends. `ready` gets the URL once requests are answered.

    A request brings at most `body_max` bytes, and to a path of `larger` as many as that says.
    """
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
        clear_untrusted_proxy_headers=False,  # the application knows which proxies are ours
    )
    server.channel_class = _channel(larger)
    ready(url(listener))
    server.run()


def _channel(larger: Mapping[str, int]) -> type[Any]:
    """Return the connection of a browser that may send more to some paths; others are cut off before that."""

    class Parser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
        adj: Any

        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            if self.command == "POST" and self.path in larger:
                self.adj = copy(self.adj)
                self.adj.max_request_body_size = larger[self.path]

    class Channel(HTTPChannel):  # type: ignore[misc] # likewise
        parser_class = Parser

    return Channel


def url(listener: socket.socket) -> str:
    """Return where a browser finds the socket; one on this machine, unless it is found everywhere."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_loopback:
        return f"http://{'localhost' if address.version == 6 else host}:{port}"  # noqa: PLR2004 - IPv6
    return f"http://{next(iter(names(host)), host)}:{port}"


def names(host: str) -> tuple[str, ...]:
    """Return by which names browsers may ask for what listens there, beside those of loopback."""
    address = _address(host)
    if address.is_loopback:
        return ()
    if address.is_unspecified or address.version == 6:  # noqa: PLR2004 - IPv6: no list of names can hold it
        return (socket.gethostname().lower(),)
    return (str(address),)


def is_local(host: str) -> bool:
    """Return whether only this machine reaches what listens there."""
    return _address(host).is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise WindmillError(f"the dashboard cannot listen on {host}: write an address, as 127.0.0.1") from None
