"""What systemd is told of us, each a datagram to the socket that it named; without one, nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Final

VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Service:
    """Takes its variables out of `environ`, so that no child speaks for us. Never blocks and never raises."""

    def __init__(self, environ: MutableMapping[str, str], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        name, period, watched = (environ.pop(variable, "") for variable in VARIABLES)
        self._address = name.replace("@", "\0", 1) if name.startswith("@") else name
        ours = watched in {"", str(os.getpid())}
        self._every = int(period) / 2e6 if self._address and ours and period.isdecimal() else 0.0  # seconds
        self._monotonic = monotonic
        self._turned_at = float("-inf")
        self._ready = False
        self._said = ""

    def ready(self) -> None:
        """Say once that the home is held and the jobs are known."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def turned(self) -> None:
        """Say that the loop turns, as often as half of what the watchdog allows."""
        if self._every and self._monotonic() - self._turned_at >= self._every:
            self._turned_at = self._monotonic()
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say how it is, in one line, where that has changed."""
        if text != self._said:
            self._said = text
            self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """Say that this is the end."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(text.encode(), self._address)
