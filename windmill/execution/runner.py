"""The runner: one process and one thread that starts and supervises all executions of a home.

It survives its scheduler, and ends without a scheduler and without executions. `execution.local` starts it with a
listening socket as descriptor 3 and `Start` as JSON.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from windmill.core.ports import Frame, Kind, Position
from windmill.execution.charge import Charge
from windmill.execution.host import Host
from windmill.execution.journal import Reader, Writer
from windmill.execution.ledger import COMMIT_EVERY, Ledger, record
from windmill.execution.loop import Loop
from windmill.execution.orphans import Orphan, find
from windmill.execution.peers import Peers
from windmill.execution.roster import Roster
from windmill.execution.wire import LISTENER, SOCKET, Message, Start, announcement, encode, listening, to_plan

IDLE: Final = 10.0  # seconds without a scheduler and without executions
REAP_EVERY: Final = 1.0  # seconds

_PR_SET_CHILD_SUBREAPER: Final = 36


class Runner:
    """Loop, executions, journal and socket put together."""

    def __init__(self, start: Start, listener: socket.socket, *, files: int) -> None:
        self._start = start
        self._reader = Reader(Path(start.journal))
        self._stream = Path(start.journal) / start.stream
        charges: dict[str, Charge] = {}
        self._loop = Loop()
        self._writer = Writer(
            Path(start.journal),
            start.stream,
            boot_id=start.boot_id,
            now_ms=_now_ms,
            checkpoint=lambda: _records(charges),
            max_size=start.journal_max_size,
        )
        self._ledger = Ledger(self._writer, now_ms=_now_ms, announce=self._announce)
        self._host = Host(
            loop=self._loop,
            ledger=self._ledger,
            home=start.home,
            environ=dict(os.environ),
            files=files,
            now_ms=_now_ms,
            open=charges,
        )
        self._roster = Roster(self._host)
        self._peers = Peers(listener, self._loop, hello=self._hello, obey=self._obey)
        self._left: set[str] = set()  # executions of dead runners
        self._adopted: set[str] = set()  # their streams
        self._unsettled: set[str] = set()  # of these, the ones with an end missing
        self._orders = {
            "start": self._start_one,
            "stop": self._stop_one,
            "adopt": self._adopt,
            "retire": self._retire,
        }
        self._retired = False
        self._active = time.monotonic()  # last time there was a scheduler or an execution
        self._flushed = self._reaped = 0.0

    def run(self) -> None:
        """Serve until nothing is left to do."""
        _watch_signals(self._loop, self._terminate)
        while not self._over():
            self._loop.turn(self._patience())
            self._turn(time.monotonic())
        self._writer.close(settled=True)

    def _turn(self, now: float) -> None:
        self._roster.turn()
        if now >= self._flushed + COMMIT_EVERY:
            self._flushed = now
            self._roster.flush()
        if now >= self._reaped + REAP_EVERY:
            self._reaped = now
            self._roster.reap()
            self._be_found()
        self._ledger.settle()
        self._settle_the_dead()
        self._peers.flush()

    def _be_found(self) -> None:
        """Keep the journal's newest segment and the socket where others look for them, whoever deleted them."""
        with suppress(OSError):  # no room, or the whole home is gone
            self._writer.look()
            if not (self._stream / SOCKET).exists():
                self._peers.listen(listening(self._stream))

    def _patience(self) -> float:
        if self._roster.busy:
            return 0.0
        longest = COMMIT_EVERY if self._host.fed else REAP_EVERY if len(self._roster) else IDLE
        return min(longest, self._ledger.patience)

    def _over(self) -> bool:
        if len(self._roster) or not self._ledger.idle:
            self._active = time.monotonic()
            return False
        if self._peers.connected:
            self._active = time.monotonic()
        return self._retired or time.monotonic() >= self._active + IDLE

    def _terminate(self) -> None:
        """End as SIGTERM asks: everything is stopped, and recorded as stopped."""
        self._retired = True
        self._roster.stop_all("SIGTERM")

    def _obey(self, message: Message) -> None:
        try:
            self._orders[message["order"]](message)
        except (KeyError, TypeError, ValueError) as error:  # one bad message must not end every execution
            print(f"not understood: {message.get('order')}: {error!r}", file=sys.stderr)  # noqa: T201 - into runner.err

    def _start_one(self, message: Message) -> None:
        self._roster.start(to_plan(message["plan"]), busy=message.get("busy"))

    def _stop_one(self, message: Message) -> None:
        self._roster.stop(message["id"], message["by"])

    def _adopt(self, message: Message) -> None:
        """Answer for what dead runners left."""
        streams = [stream for stream in message["streams"] if stream not in self._adopted]
        self._adopted.update(streams)
        left, known = find(self._reader, streams, boot_id=self._start.boot_id)
        self._roster.remember(known)
        for document, reason in left.values():
            self._roster.adopt(Orphan(document, reason=reason, host=self._host))
        self._left |= left.keys()
        self._unsettled.update(streams)
        running = {execution: document["job"] for execution, (document, _) in left.items()}
        self._peers.send(encode({"event": "adopted", "streams": message["streams"], "running": running}))

    def _retire(self, _: Message) -> None:
        self._retired = True

    def _hello(self) -> Message:
        return {
            "event": "hello",
            "version": self._start.version,
            "retired": self._retired,
            "stream": self._start.stream,
            "position": self._writer.position,
            "running": self._roster.jobs,
        }

    def _announce(self, frame: Frame, position: Position) -> None:
        self._peers.send(announcement(frame, position))

    def _settle_the_dead(self) -> None:
        """Mark the streams of dead runners once the ends of all they left are on the disk."""
        if self._unsettled and self._ledger.idle and not self._roster.answers_for(self._left):
            for stream in [stream for stream in self._unsettled if not self._reader.alive(stream)]:
                self._reader.mark_settled(stream)
                self._unsettled.discard(stream)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _records(charges: Mapping[str, Charge]) -> Iterator[Frame]:
    """Yield the records of all that is open, for the beginning of a segment."""
    for charge in charges.values():
        if document := charge.checkpoint():
            yield record(Kind.RECORD, charge, _now_ms(), document)


def _watch_signals(loop: Loop, terminate: Callable[[], None]) -> None:
    """Survive what ends a terminal session, and answer SIGTERM; jobs start with no signal blocked or ignored."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    fd = ours.detach()

    def read() -> None:
        if signal.SIGTERM in os.read(fd, 256):
            terminate()

    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.detach())
    loop.watch(fd, read)


def main(text: str) -> None:
    """Be the runner described by `text`, until nothing is left to do."""
    os.umask(0o077)
    os.chdir("/")
    os.closerange(LISTENER + 1, 1 << 16)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    files, ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
    Runner(Start.from_text(text), socket.socket(fileno=LISTENER), files=files).run()
