"""The journal: append-only segments per stream, written first and shipped to the store from here.

`<directory>/<stream>/` holds `<8 digits>.seg`, `lock` (held by the writer for its life), `reserve` (space kept for
end records on a full disk), `settled` (see `JournalReader.settled`) and whatever a reader keeps there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.core.ports import Frame, Kind, Position
from windmill.execution import segments
from windmill.execution.frames import FRAME_SIZE, SEGMENT_SIZE, SegmentHeader, encode, encode_segment

SCHEDULER: Final = "scheduler"
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_RESERVE_AGAIN_MS: Final = 1000
_SCAN: Final = 4 << 20  # bytes read at a time when a whole segment is looked through


class Writer:
    """The one writer of a stream; raises `Refused` while another one lives.

    Every segment begins with the frames of `checkpoint`, so the newest segment alone tells what is open. It is
    asked before the frames of the `append` that rotates are written. `boot_id` goes into each segment's header.
    """

    def __init__(
        self,
        directory: Path,
        stream: str,
        *,
        boot_id: str,
        now_ms: Callable[[], int],
        checkpoint: Callable[[], Iterable[Frame]],
        segment_size: int = 16 << 20,
        reserve: int = 1 << 20,
    ) -> None:
        self._path = directory / stream
        self._boot_id = boot_id
        self._now_ms = now_ms
        self._checkpoint = checkpoint
        self._segment_size = segment_size
        self._reserve_size = reserve
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._lock = segments.hold(self._path)
        self._fd = -1
        self._number = max(segments.numbers(self._path), default=0)
        self._offset = 0
        self._dirty = False
        self._damaged = False  # unfinished bytes stand behind the offset and could not be taken away
        self._reserved = False
        self._reserve_after = 0
        try:
            (self._path / "settled").unlink(missing_ok=True)
            self._rotate()
        except BaseException:
            os.close(self._lock)
            raise
        self._keep_reserve()

    @property
    def position(self) -> Position:
        """The position after everything appended."""
        return Position(self._number, self._offset)

    def append(self, frames: Iterable[Frame], *, urgent: bool = False) -> None:
        """Write the frames with one system call; visible to readers at once and together, not yet synced.

        `urgent` frames (ends) may use the reserved space of a full disk. Raises OSError having written none of
        the frames, and ValueError for a payload over 1 MiB; the stream stays readable and writable.
        """
        data = encode(tuple(frames))
        try:
            self._append(data)
        except OSError as error:
            if not (urgent and self._reserved and error.errno in DISK_FULL):
                raise
            self._free_reserve()
            self._append(data)

    def commit(self) -> None:
        """Make everything appended survive power loss; costs nothing when nothing was appended since."""
        if self._dirty:
            os.fdatasync(self._fd)
            self._dirty = False
        if not self._reserved and self._now_ms() >= self._reserve_after:
            self._keep_reserve()

    def close(self, *, settled: bool) -> None:
        """Commit and let go of the stream; `settled` says that everything it started has an END somewhere."""
        try:
            self.commit()
            if settled:
                segments.touch(self._path / "settled")
        finally:
            self._free_reserve()
            os.close(self._fd)
            os.close(self._lock)

    def _append(self, data: bytes) -> None:
        if self._damaged:
            self._rotate()
        elif self._offset >= self._segment_size:
            self._rotate_if_possible()
        try:
            segments.write_all(self._fd, data, self._offset)
        except OSError:
            self._take_back()
            raise
        self._offset += len(data)
        self._dirty = True

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._offset)
        except OSError:
            self._damaged = True

    def _rotate_if_possible(self) -> None:
        """Go on in the old segment while the disk has no room for a new one."""
        try:
            self._rotate()
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise

    def _rotate(self) -> None:
        data = encode_segment(SegmentHeader(self._boot_id, self._now_ms())) + encode(tuple(self._checkpoint()))
        temporary = self._path / "segment.tmp"
        if self._dirty:
            os.fdatasync(self._fd)
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            segments.write_all(fd, data, 0)
            os.fdatasync(fd)
            temporary.rename(segments.segment(self._path, self._number + 1))
        except BaseException:
            os.close(fd)
            temporary.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._number, self._offset = fd, self._number + 1, len(data)
        self._dirty = self._damaged = False
        segments.sync_directory(self._path)

    def _keep_reserve(self) -> None:
        """Allocate the reserve; on a full disk leave it and try again with a later commit."""
        path = self._path / "reserve"
        self._reserve_after = self._now_ms() + _RESERVE_AGAIN_MS
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._reserve_size)
            finally:
                os.close(fd)
        except OSError:
            path.unlink(missing_ok=True)
        else:
            self._reserved = True

    def _free_reserve(self) -> None:
        self._reserved = False
        self._reserve_after = self._now_ms() + _RESERVE_AGAIN_MS
        with suppress(OSError):
            (self._path / "reserve").unlink()


class Reader:
    """All streams under `directory`, by position. Keeps nothing open; a missing stream reads as an empty one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def streams(self) -> list[str]:
        """Return the names of all streams: the scheduler's first, then runners, oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self._directory) if entry.is_dir()]
        except FileNotFoundError:
            return []
        return sorted(names, key=lambda name: (name != SCHEDULER, name))

    def first(self, stream: str) -> Position:
        """Return the oldest position still present; (0, 0) where there is no segment yet."""
        numbers = segments.numbers(self._directory / stream)
        return Position(numbers[0], SEGMENT_SIZE) if numbers else Position(0, 0)

    def read(self, stream: str, position: Position, *, limit: int = 4 << 20) -> tuple[list[Frame], Position]:
        """Return whole frames from `position` on, about `limit` bytes at most, and the position after them.

        Reading ends at an unfinished append of the newest segment, to be looked at again. What a dead writer
        left unfinished is passed over once a newer segment exists.
        """
        path = self._directory / stream
        numbers = segments.numbers(path)  # before any reading: all but the last are complete
        for number in numbers:
            if number < position.segment:
                continue
            offset = position.offset if number == position.segment else 0
            frames, offset = segments.read(path, number, offset, limit=limit, newest=number == numbers[-1])
            position = Position(number, offset)
            if frames:
                return frames, position
        return [], position

    def newest(self, stream: str) -> list[Frame]:
        """Return the frames of the newest readable segment except output: all that is needed to know what is open."""
        numbers = segments.numbers(self._directory / stream)
        for number in reversed(numbers):
            if segments.header(self._directory / stream, number) is not None:
                return self._all_but_output(stream, number, newest=number == numbers[-1])
        return []

    def boot_id(self, stream: str) -> str:
        """Return the boot id under which the stream was last written, "" where none can be read."""
        for number in reversed(segments.numbers(self._directory / stream)):
            if header := segments.header(self._directory / stream, number):
                return header.boot_id
        return ""

    def alive(self, stream: str) -> bool:
        """Return True while the stream's writer lives: it holds the lock."""
        return segments.held(self._directory / stream)

    def settled(self, stream: str) -> bool:
        """Return True when the stream's writer is gone and every execution it started has an END somewhere."""
        return (self._directory / stream / "settled").exists() and not self.alive(stream)

    def mark_settled(self, stream: str) -> None:
        """Record that every execution a dead writer started has an END somewhere. Raises Refused while it lives."""
        if self.alive(stream):
            raise Refused(f"the journal stream {stream} is still being written")
        segments.touch(self._directory / stream / "settled")

    def release(self, stream: str, position: Position) -> None:
        """Delete segments that lie wholly before `position`; the newest segment always stays.

        A settled stream whose end is reached is removed whole.
        """
        path = self._directory / stream
        if self.settled(stream) and not self.read(stream, position, limit=FRAME_SIZE)[0]:
            segments.remove(path)
            return
        for number in segments.numbers(path)[:-1]:
            if number < position.segment:
                segments.segment(path, number).unlink(missing_ok=True)

    def size(self) -> int:
        """Return the bytes all segments take."""
        total = 0
        for stream in self.streams():
            path = self._directory / stream
            for number in segments.numbers(path):
                with suppress(FileNotFoundError):
                    total += segments.segment(path, number).stat().st_size
        return total

    def _all_but_output(self, stream: str, number: int, *, newest: bool) -> list[Frame]:
        path = self._directory / stream
        found: list[Frame] = []
        offset = 0
        while True:
            frames, offset = segments.read(path, number, offset, limit=_SCAN, newest=newest)
            if not frames:
                return found
            found += (frame for frame in frames if frame.kind != Kind.OUTPUT)
