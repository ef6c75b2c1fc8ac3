"""The journal: append-only segments per stream, written first and shipped to the store from here.

`<directory>/<stream>/` holds `<8 digits>.seg`, `lock` (held by the writer for its life), `reserve` (space kept for
end records on a full disk), `settled` (see `JournalReader.settled`), `full` (see `execution.room`) and whatever a
reader keeps there.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.core.ports import Frame, Kind, Position
from windmill.execution import segments
from windmill.execution.frames import FRAME_SIZE, SEGMENT_SIZE, VERSION, SegmentHeader, encode, encode_segment
from windmill.execution.room import NO_LIMIT, SEGMENTS_MIN, Reserve, Room

SCHEDULER: Final = "scheduler"
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_LOG: Final = logging.getLogger(__name__)
_LOOK_AGAIN_MS: Final = 1000
_SCAN: Final = 4 << 20  # bytes read at a time when a whole segment is looked through


class Writer:
    """The one writer of a stream; raises `Refused` while another one lives.

    Every segment begins with the frames of `checkpoint`, so the newest segment alone tells what is open. It is
    asked before the frames of the `append` that rotates are written. `boot_id` goes into each segment's header.
    Output finds no room while the whole journal takes `max_size` bytes; everything else does.
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
        max_size: int = NO_LIMIT,
    ) -> None:
        self._path = directory / stream
        self._boot_id = boot_id
        self._now_ms = now_ms
        self._checkpoint = checkpoint
        self._segment_size = min(segment_size, max_size // SEGMENTS_MIN)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._lock = segments.hold(self._path)
        self._fd = -1
        self._number = max(segments.numbers(self._path), default=0)
        self._offset = 0
        self._dirty = False
        self._damaged = False  # unfinished bytes stand behind the offset and could not be taken away
        self._look_after = 0
        self._reserve = Reserve(self._path / "reserve", size=reserve, now_ms=now_ms)
        try:
            self._room = Room(directory, self._path / "full", limit=max_size, now_ms=now_ms)
            (self._path / "settled").unlink(missing_ok=True)
            self._rotate()
        except BaseException:
            os.close(self._lock)
            raise
        self._reserve.keep()

    @property
    def position(self) -> Position:
        """The position after everything appended."""
        return Position(self._number, self._offset)

    def append(self, frames: Iterable[Frame], *, urgent: bool = False) -> None:
        """Write the frames with one system call; visible to readers at once and together, not yet synced.

        `urgent` frames (ends) may use the reserved space of a full disk. Raises OSError having written none of
        the frames, and ValueError for a payload over 1 MiB; the stream stays readable and writable. A journal at
        its limit is a full disk to frames among which there is output.
        """
        frames = tuple(frames)
        data = encode(frames)
        if len(data) > self._room.left and any(frame.kind == Kind.OUTPUT for frame in frames):
            self._room.ask(len(data))
        try:
            self._append(data)
        except OSError as error:
            if not (urgent and self._reserve.held and error.errno in DISK_FULL):
                raise
            self._reserve.free()
            self._append(data)

    def commit(self) -> None:
        """Make everything appended survive power loss; costs nothing when nothing was appended since."""
        if self._dirty:
            os.fdatasync(self._fd)
            self._dirty = False
        self._reserve.refresh()

    def look(self) -> None:
        """See whether a full journal has room again, and write the segment again if somebody deleted it.

        Called about once a second by whoever may have nothing to append for long.
        """
        self._room.refresh()
        self._restore_if_gone()

    def close(self, *, settled: bool) -> None:
        """Commit and let go of the stream; `settled` says that everything it started has an END somewhere."""
        try:
            self.commit()
            if settled:
                segments.touch(self._path / "settled")
        finally:
            self._reserve.free()
            os.close(self._fd)
            os.close(self._lock)

    def _append(self, data: bytes) -> None:
        self._restore_if_gone()
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
        self._room.left -= len(data)
        self._dirty = True

    def _restore_if_gone(self) -> None:
        """Make good, at most once a second, that the journal was deleted: its newest segment is still at hand."""
        if self._now_ms() < self._look_after:
            return
        self._look_after = self._now_ms() + _LOOK_AGAIN_MS
        if segments.is_file(segments.segment(self._path, self._number), self._fd):
            return
        if not self._path.parent.parent.is_dir():
            return  # the whole home was deleted
        _LOG.warning("the journal %s was deleted; what was not stored of older segments is lost", self._path)
        for path in (self._path.parent, self._path):
            path.mkdir(mode=0o700, exist_ok=True)
        if not segments.is_file(self._path / "lock", self._lock):
            lock, self._lock = self._lock, segments.hold(self._path)
            os.close(lock)
        fd, self._fd = self._fd, segments.restore(self._path, self._number, self._fd)
        os.close(fd)
        self._reserve.keep()

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
        self._room.measure()


class Reader:
    """All streams under `directory`, by position. Keeps nothing open; a missing stream reads as an empty one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def streams(self) -> list[str]:
        """Return the names of all streams: the scheduler's first, then runners, oldest first."""
        names = segments.streams(self._directory)
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
        return segments.size(self._directory)

    def full(self) -> bool:
        """Return True while a living writer refuses output because the journal has reached its size limit."""
        return any((self._directory / stream / "full").exists() and self.alive(stream) for stream in self.streams())

    def check(self) -> None:
        """Raise Refused when a newer WindMill wrote here in a form this one does not know."""
        for stream in self.streams():
            for number in segments.numbers(self._directory / stream):
                if (version := segments.version(self._directory / stream, number)) > VERSION:
                    raise Refused(
                        f"the journal was written by a newer WindMill: version {version}, this one reads {VERSION} "
                        f"({self._directory})",
                        hint="upgrade WindMill; what waits in the journal is stored by the newer one",
                    )

    def _all_but_output(self, stream: str, number: int, *, newest: bool) -> list[Frame]:
        path = self._directory / stream
        found: list[Frame] = []
        offset = 0
        while True:
            frames, offset = segments.read(path, number, offset, limit=_SCAN, newest=newest)
            if not frames:
                return found
            found += (frame for frame in frames if frame.kind != Kind.OUTPUT)
