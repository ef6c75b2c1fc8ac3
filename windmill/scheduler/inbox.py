"""What other threads and signals tell the loop: a queue, and one byte that wakes it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType

from windmill.core.documents import Document
from windmill.core.model import Catalog, Execution


@dataclass(frozen=True, slots=True)
class Loaded:
    """The job files and the places of the projects were read."""

    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Requested:
    """People asked for something; the documents are requests."""

    requests: list[Document]


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal arrived."""

    number: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The store does not know any more what it was told: another database is there."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """These executions are open in the store, and nobody answers for them."""

    executions: list[Execution]


Message = Loaded | Requested | Signalled | Forgotten | Unanswered


class Inbox:
    """Any thread puts, the loop's thread takes; `fileno` is readable while there is something to take."""

    def __init__(self) -> None:
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._read_end

    def put(self, message: Message) -> None:
        """Leave a message and wake the loop."""
        self._messages.put(message)
        with suppress(BlockingIOError):  # a full pipe wakes the loop just as well
            os.write(self._write_end, b"\0")

    def take(self) -> list[Message]:
        """Return all messages left since the last call."""
        try:
            while os.read(self._read_end, 4096):
                pass
        except BlockingIOError:
            pass
        messages: list[Message] = []
        try:
            while True:
                messages.append(self._messages.get_nowait())
        except Empty:
            return messages

    def receive_signals(self, *numbers: int) -> None:
        """Let these signals become messages. PEP 475: only a written byte ends the wait of epoll."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._messages.put(Signalled(number))

    def close(self) -> None:
        """Release the descriptors."""
        signal.set_wakeup_fd(-1)
        os.close(self._read_end)
        os.close(self._write_end)
