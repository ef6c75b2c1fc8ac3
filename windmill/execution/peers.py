"""The runner's side of the socket: one scheduler at a time, the newest; what older ones left is obeyed first."""

from __future__ import annotations

import socket
from collections.abc import Callable

from windmill.execution.loop import Loop
from windmill.execution.wire import Channel, Message


class Peers:
    """Accepts schedulers and passes their orders to `obey`, in the order in which they were sent."""

    def __init__(
        self, listener: socket.socket, loop: Loop, *, hello: Callable[[], Message], obey: Callable[[Message], None]
    ) -> None:
        self._loop = loop
        self._hello = hello
        self._obey = obey
        self._channel: Channel | None = None
        self._greeted = False
        self._listen(listener)

    @property
    def connected(self) -> bool:
        """True while a scheduler is there."""
        return self._channel is not None

    def listen(self, listener: socket.socket) -> None:
        """Accept schedulers at another socket from now on."""
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        self._listen(listener)

    def send(self, line: bytes) -> None:
        """Send an encoded message to the scheduler, if there is one: one not greeted yet reads it in the journal."""
        if self._channel is not None and self._greeted:
            self._channel.send_line(line)

    def flush(self) -> None:
        """Greet a newcomer and send what is queued. Everything announced before has been written by now."""
        if self._channel is None:
            return
        if not self._greeted:
            self._greeted = True
            self._channel.send(self._hello())
        done = self._channel.flush()
        if self._channel.ended:
            self._part()
        else:
            self._loop.watch(self._channel.fileno(), self._receive, write=not done)

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._loop.watch(listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self._part()
        self._channel, self._greeted = Channel(connection), False
        self._loop.watch(self._channel.fileno(), self._receive)

    def _receive(self) -> None:
        if self._channel is None:
            return
        for message in self._channel.receive():
            self._obey(message)
        if self._channel.ended:
            self._part()

    def _part(self) -> None:
        """Obey what is left in the connection, then close it."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        while messages := channel.receive():
            for message in messages:
                self._obey(message)
        self._loop.unwatch(channel.fileno())
        channel.close()
