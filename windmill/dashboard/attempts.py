"""How soon somebody may try again who could not prove who they are."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FREE: Final = {"account": 5, "address": 20}  # failures before there is a wait; many people may share an address
WAIT: Final = timedelta(seconds=1)  # after the first failure that is not free; doubles
WAIT_MAX: Final = timedelta(minutes=1)
FORGOTTEN: Final = timedelta(minutes=15)
KNOWN_MAX: Final = 10_000


@dataclass(slots=True)
class _Failures:
    number: int
    last: datetime


class Attempts:
    """Failures by account and by address. May be asked by several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], _Failures] = OrderedDict()  # by kind and name, oldest first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, now: datetime, *, address: str, account: str = "") -> timedelta:
        """Return how long to wait; nothing where there may be a try now, which counts as failed until it succeeds."""
        keys = self._keys(address, account)
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if not wait:
                for key in keys:
                    self._count(key, now)
            return wait

    def succeeded(self, *, address: str, account: str = "") -> None:
        """Take back the last try, and forget the account's; others who fail from there still count."""
        with self._lock:
            for key in self._keys(address, account):
                if known := self._known.get(key):
                    known.number -= 1
                    if key[0] == "account" or not known.number:
                        del self._known[key]

    def _keys(self, address: str, account: str) -> list[tuple[str, str]]:
        return [("address", _place(address)), *([("account", account[:100])] if account else [])]

    def _wait(self, key: tuple[str, str], now: datetime) -> timedelta:
        known = self._known.get(key)
        if known is None:
            return timedelta(0)
        if abs(now - known.last) > FORGOTTEN:
            del self._known[key]
            return timedelta(0)
        excess = known.number - FREE[key[0]]
        wait = min(WAIT * 2 ** min(excess, 10), WAIT_MAX) if excess >= 0 else timedelta(0)
        return max(wait - abs(now - known.last), timedelta(0))

    def _count(self, key: tuple[str, str], now: datetime) -> None:
        known = self._known.setdefault(key, _Failures(0, now))
        known.number, known.last = known.number + 1, now
        self._known.move_to_end(key)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)


def _place(address: str) -> str:
    """Return what one person has for themselves: an address, of IPv6 the network of one house."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    return str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004 - IPv6
