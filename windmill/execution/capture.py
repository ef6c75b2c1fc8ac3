"""What a job writes, as journal frames: secrets masked, head and tail kept, every byte counted. No I/O."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from windmill.core.ports import Frame, Kind, Stream
from windmill.execution.masking import Masker, patterns
from windmill.execution.told import Told

FRAME_MAX: Final = 256 << 10  # bytes of output in one frame

_GRANULE_MAX: Final = 64 << 10
_GRANULES: Final = 8  # at least so many in a tail
_PENDING_MAX: Final = 8 << 20  # bytes
_CHUNKS_MAX: Final = 4096  # waiting reads: a job may write byte by byte


class _Chunk(NamedTuple):
    stream: int
    at: int
    data: bytes


class _Kept(NamedTuple):
    """A stretch of the tail that is dropped as one: the last frame's sequence, and the bytes."""

    last: int
    size: int


class Capture:
    """The output of one execution: one sequence over both streams, in order of arrival.

    The first `limit` // 2 bytes are kept and become frames at once. What follows waits for `flush`; of it at
    least the last `limit` - `limit` // 2 bytes stay kept, older ones are dropped, unseen while they wait or by
    DROP frames afterwards. A number missing in the sequence is a place where output is missing.

    `output_bytes` counts what the job wrote, a masked secret as the mask that stands for it and without what is
    still held back to be masked; `cut_bytes` what of it is not kept. Kept and cut add up to output after every call.
    Memory stays under the tail's size or 8 MiB, whichever is less, and one read. `masks` are secret values. `told` is
    what stdout told of the execution, masked as well.
    """

    def __init__(self, execution: str, *, limit: int, masks: Sequence[bytes] = ()) -> None:
        self.execution = execution
        self.output_bytes = 0
        self.cut_bytes = 0
        self.told = Told()
        self._head_left = limit // 2
        self._tail_size = limit - limit // 2
        self._granule = max(1, min(_GRANULE_MAX, self._tail_size // _GRANULES))
        self._sequence = 0
        self._tail_first = 0  # sequence of the first frame behind the head; 0 while in the head
        self._pending: deque[_Chunk] = deque()
        self._pending_bytes = 0
        self._tail: deque[_Kept] = deque()
        self._tail_bytes = 0
        spellings = patterns(masks)
        self._maskers: dict[int, Masker] = {stream: Masker(spellings) for stream in Stream} if spellings else {}

    def feed(self, stream: int, data: bytes, at: int) -> list[Frame]:
        """Take what was read from `stream` at `at` (ms since the epoch); return what may be written of it now."""
        if self._maskers:
            data = self._maskers[stream].feed(data)
        if stream == Stream.STDOUT:
            self.told.feed(data, at)
        size = len(data)
        if 0 < size <= self._head_left and size <= FRAME_MAX:
            self.output_bytes += size
            self._head_left -= size
            self._sequence += 1
            return [Frame(Kind.OUTPUT, self.execution, self._sequence, stream, at, data)]
        return self._take(stream, data, at) if size else []

    def flush(self, at: int) -> list[Frame]:
        """Return what waits in the tail as frames, then the DROP of what it pushes out. `at` dates the DROP."""
        if not self._pending:
            return []
        frames = [self._frame(*chunk) for chunk in self._joined()]
        for frame in frames:
            self._keep(frame.sequence, len(frame.payload))
        self._pending.clear()
        self._pending_bytes = 0
        dropped = self._push_out()
        if dropped:
            # From the tail's beginning each time: a DROP that was never written, or that cut a stored block in
            # two, is made good by the next one.
            payload = json.dumps({"first": self._tail_first, "last": dropped}).encode()
            frames.append(Frame(Kind.DROP, self.execution, 0, 0, at, payload))
        return frames

    def finish(self, at: int) -> list[Frame]:
        """Return all that is left; nothing is fed afterwards."""
        frames: list[Frame] = []
        for stream, masker in self._maskers.items():
            rest = masker.finish()
            if stream == Stream.STDOUT:
                self.told.feed(rest, at)
            frames += self._take(stream, rest, at)
        self.told.finish(at)
        return frames + self.flush(at)

    def lost(self, size: int) -> None:
        """Count as cut the last `size` bytes of output returned, which could not be written.

        Exact when it is called after each failed append, and an append holds the frames of one flush at most.
        """
        self.cut_bytes += size
        while size and self._tail:
            last, kept = self._tail.pop()
            gone = min(size, kept)
            size -= gone
            self._tail_bytes -= gone
            if kept > gone:
                self._tail.append(_Kept(last, kept - gone))

    def _take(self, stream: int, data: bytes, at: int) -> list[Frame]:
        """Return frames of what still belongs to the head; the rest waits."""
        self.output_bytes += len(data)
        head = data[: self._head_left]
        self._head_left -= len(head)
        frames = [self._frame(stream, at, part) for part in _parts(head, FRAME_MAX)]
        if len(head) < len(data):
            self._tail_first = self._tail_first or self._sequence + 1
            self._pending.append(_Chunk(stream, at, data[len(head) :]))
            self._pending_bytes += len(data) - len(head)
            self._forget(self._pending_bytes - self._tail_size)
            if self._pending_bytes >= _PENDING_MAX or len(self._pending) >= _CHUNKS_MAX:
                frames += self.flush(at)
        return frames

    def _forget(self, excess: int) -> None:
        """Drop the oldest `excess` waiting bytes, unseen; the sequence skips a number in their place."""
        if excess <= 0:
            return
        self.cut_bytes += excess
        self._pending_bytes -= excess
        self._sequence += 1
        while excess:
            stream, at, data = self._pending.popleft()
            if len(data) > excess:
                self._pending.appendleft(_Chunk(stream, at, data[excess:]))
                return
            excess -= len(data)

    def _joined(self) -> Iterator[_Chunk]:
        """Yield what waits, neighbours of one stream joined, in chunks of at most one granule."""
        parts: list[bytes] = []
        current, since = 0, 0
        for stream, at, data in self._pending:
            if stream != current and parts:
                yield from self._split(current, since, parts)
                parts = []
            if not parts:
                current, since = stream, at
            parts.append(data)
        if parts:
            yield from self._split(current, since, parts)

    def _split(self, stream: int, at: int, parts: list[bytes]) -> Iterator[_Chunk]:
        for part in _parts(b"".join(parts), self._granule):
            yield _Chunk(stream, at, part)

    def _frame(self, stream: int, at: int, data: bytes) -> Frame:
        self._sequence += 1
        return Frame(Kind.OUTPUT, self.execution, self._sequence, stream, at, data)

    def _keep(self, sequence: int, size: int) -> None:
        """Note a frame of the tail; small ones share a note, so that notes stay few however chatty the job."""
        self._tail_bytes += size
        if self._tail and self._tail[-1].size + size <= self._granule:
            size += self._tail.pop().size
        self._tail.append(_Kept(sequence, size))

    def _push_out(self) -> int:
        """Return the last sequence of the oldest stretches the tail can do without, 0 for none."""
        last = 0
        while self._tail and self._tail_bytes - self._tail[0].size >= self._tail_size:
            last, size = self._tail.popleft()
            self._tail_bytes -= size
            self.cut_bytes += size
        return last


def _parts(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
