"""Where a URL may lead. A name is resolved once, and what is judged here is what is connected to."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from windmill.core.errors import WindmillError

URL_MAX: Final = 2000  # characters
ADDRESSES_MAX: Final = 4  # of a name that has more

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

_PRINTABLE: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_NEVER: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this machine, by another name
        "169.254.0.0/16",  # link-local, and where clouds tell secrets
        "100.100.100.200/32",  # likewise, Alibaba
        "168.63.129.16/32",  # likewise, Azure
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # as 169.254.169.254, Amazon
        "ff00::/8",
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ip_network("::/96")
_LOOPBACK: Final = ip_address("::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A URL in the parts a request needs. Never shown: it is the password."""

    secure: bool
    host: str
    port: int
    path: str
    query: str

    def __repr__(self) -> str:
        return "Url(...)"


def parse(text: str) -> Url:
    """Return the URL. Raises WindmillError, which does not show it, for anything but plain http and https."""
    text = text.strip()
    if not _PRINTABLE.fullmatch(text) or len(text) > URL_MAX:
        raise WindmillError("the URL is empty, too long, or holds blanks or characters that are not ASCII")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise WindmillError("the URL is malformed") from None
    if parts.scheme not in {"http", "https"}:
        raise WindmillError("the URL does not begin with http:// or https://")
    if parts.username is not None or not _HOST.fullmatch(host):
        raise WindmillError("the URL needs a plain host, without a user")
    secure = parts.scheme == "https"
    return Url(
        secure=secure, host=host, port=port or (443 if secure else 80), path=parts.path or "/", query=parts.query
    )


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host as the system knows them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def permitted(url: Url, allow: Sequence[Network], resolve: Resolve = resolved) -> list[Address]:
    """Return the addresses that may be connected to, in the order they were given.

    Raises WindmillError when there is none, saying of what sort the first one is.
    """
    try:
        found = [_plain(ip_address(text)) for text in resolve(url.host, url.port)[:ADDRESSES_MAX]]
    except (OSError, ValueError):
        raise WindmillError("the host of the URL is not known") from None
    refusals = [refusal(address, allow) for address in found]
    if good := [address for address, refused in zip(found, refusals, strict=True) if not refused]:
        return good
    raise WindmillError(next(iter(refusals), "the host of the URL has no address"))


def refusal(address: Address, allow: Sequence[Network]) -> str:
    """Return why the address must not be connected to, or ""."""
    for one in (address, *_inside(address)):
        if any(one in network for network in _NEVER):
            return "the URL leads to a link-local, metadata, multicast or unspecified address, which is never allowed"
        if not one.is_global and not any(one in network for network in allow):
            return "the URL leads to a loopback or private address that [heartbeat] allow does not list"
    return ""


def _plain(address: Address) -> Address:
    """Return the IPv4 address that is written as IPv6, else the same one."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _inside(address: Address) -> list[Address]:
    """Return the IPv4 addresses at which a packet to this IPv6 address may arrive."""
    if isinstance(address, IPv4Address):
        return []
    found: list[Address] = [*(address.teredo or ())]
    if address.sixtofour:
        found.append(address.sixtofour)
    if address in _NAT64 or (address in _COMPATIBLE and address != _LOOPBACK):
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return found
