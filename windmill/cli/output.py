"""An execution's output on its way to a person or a pipe: blocks in, bytes out, cuts shown, ends awaited."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from windmill.cli.terminal import TerminalFilter
from windmill.core.documents import Document, to_text
from windmill.core.model import TERMINAL
from windmill.core.ports import OutputBlock, Stream

if TYPE_CHECKING:
    from windmill.core.ports import Store

POLL_SECONDS: Final = 0.1
TAIL_BYTES: Final = 64 * 1024  # first guess of what holds the wanted lines


class Sink:
    """One destination: bytes as they came, or made safe where a person looks at a terminal."""

    def __init__(self, file: BinaryIO, *, safe: bool, colors: bool, timestamps: bool) -> None:
        self._file = file
        self._filter = TerminalFilter(colors=colors) if safe else None
        self._timestamps = timestamps
        self._at_line_start = True

    def write(self, data: bytes, at: int) -> None:
        """Write the data; `at` is its instant in milliseconds since the epoch."""
        self._put(self._filter.feed(data).encode() if self._filter else data, at)

    def note(self, message: str) -> None:
        """Write a line of our own, on a line of its own."""
        self._file.write(b"" if self._at_line_start else b"\n")
        self._file.write(f"[... {message} ...]\n".encode())
        self._at_line_start = True
        self._file.flush()

    def finish(self) -> None:
        """Write what was held back."""
        if self._filter:
            self._put(self._filter.feed(b"", final=True).encode(), 0)

    def _put(self, data: bytes, at: int) -> None:
        if not data:
            return
        self._file.write(self._stamped(data, at) if self._timestamps else data)
        self._at_line_start = data.endswith(b"\n")
        self._file.flush()

    def _stamped(self, data: bytes, at: int) -> bytes:
        stamp = f"{to_text(datetime.fromtimestamp(at / 1000, UTC))} ".encode()
        lines = data.split(b"\n")
        stamped = [lines[0] if not self._at_line_start else stamp + lines[0]]
        stamped += [stamp + line for line in lines[1:-1]]
        if len(lines) > 1:
            stamped.append(stamp + lines[-1] if lines[-1] else b"")
        return b"\n".join(stamped)


class Printer:
    """Prints blocks in order and says where frames are missing. `only` restricts to one stream.

    With `apart`, what the job wrote to stderr goes to our stderr; with `aside` all of it does; else everything goes
    to stdout. Bytes go out unchanged, unless a terminal would see them and `raw` is False.
    """

    def __init__(
        self,
        *,
        colors: bool,
        raw: bool = False,
        timestamps: bool = False,
        only: Stream | None = None,
        apart: bool = False,
        aside: bool = False,
    ) -> None:
        self._only = only
        self._last: int | None = None
        out, err = (
            Sink(file.buffer, safe=file.isatty() and not raw, colors=colors, timestamps=timestamps)
            for file in (sys.stdout, sys.stderr)
        )
        if aside:
            out = err
        self._out = out
        self._sinks = {Stream.STDOUT: out, Stream.STDERR: err if apart else out}

    def print(self, blocks: Iterable[OutputBlock], *, cut_bytes: int = 0, head: bool = True) -> None:
        """Print the blocks. `head` says that they begin at the first, `cut_bytes` how much is missing."""
        for block in blocks:
            expected = (0 if head else block.first - 1) if self._last is None else self._last
            if block.first > expected + 1:
                self._out.note(f"{cut_bytes:,} bytes cut" if cut_bytes else "output cut")
            self._last = max(expected, block.last)
            if self._only in (None, block.stream):
                self._sinks[Stream(block.stream)].write(block.data, block.at)

    def finish(self) -> None:
        """Print what was held back."""
        for sink in dict.fromkeys(self._sinks.values()):
            sink.finish()


class Follower:
    """Prints an execution's output from `after` on as it arrives."""

    def __init__(self, store: Store, execution: str, printer: Printer, *, after: int = 0) -> None:
        self._store = store
        self._execution = execution
        self._printer = printer
        self._after = after

    def step(self) -> tuple[Document | None, bool]:
        """Print what is new; return the execution as known before, and whether anything was printed."""
        known = self._store.execution(self._execution)
        blocks = self._store.output(self._execution, after=self._after)
        self._printer.print(blocks, cut_bytes=(known or {}).get("cut_bytes", 0), head=self._after == 0)
        if blocks:
            self._after = max(self._after, *(block.last for block in blocks))
        return known, bool(blocks)

    def to_end(self, *, wait: bool = True, each_turn: Callable[[], None] = lambda: None) -> Document:
        """Print everything until the execution has ended, or with `wait` False what there is now; return it."""
        while True:
            each_turn()
            known, more = self.step()
            if known is not None and not more and (not wait or known["state"] in TERMINAL):
                self._printer.finish()
                return known
            if not more:
                time.sleep(POLL_SECONDS)


def ended(store: Store, execution: str) -> Document:
    """Return the execution once it has ended."""
    while (known := store.execution(execution)) is None or known["state"] not in TERMINAL:
        time.sleep(POLL_SECONDS)
    return known


def last_lines(store: Store, execution: str, *, lines: int, only: Stream | None) -> list[OutputBlock]:
    """Return the blocks from where the last `lines` lines of the wanted stream begin, the first of them cut to fit.

    Blocks of the other stream that were written since then are among them.
    """
    size = TAIL_BYTES
    while True:
        blocks = store.output_tail(execution, size=size)
        breaks = sum(block.data.count(b"\n") for block in blocks if only in (None, block.stream))
        if breaks > lines or sum(len(block.data) for block in blocks) < size:
            return _cut(blocks, lines, only)
        size *= 4


def _cut(blocks: list[OutputBlock], lines: int, only: Stream | None) -> list[OutputBlock]:
    kept: list[OutputBlock] = []
    closed = False  # a line end that closes the last line begins no other
    for block in reversed(blocks if lines else []):
        if only not in (None, block.stream):
            kept.append(block)
            continue
        end = len(block.data) - (not closed and block.data.endswith(b"\n"))
        closed = True
        breaks = block.data.count(b"\n", 0, end)
        if breaks >= lines:
            for _ in range(lines):
                end = block.data.rfind(b"\n", 0, end)
            rest = block.data[end + 1 :]
            return [*([block._replace(data=rest)] if rest else []), *kept[::-1]]
        lines -= breaks
        kept.append(block)
    return kept[::-1]
