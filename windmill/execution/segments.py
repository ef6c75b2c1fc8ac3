"""The files of one journal stream: segments by number, the lock, markers, whole writes and careful reads."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.core.ports import Frame
from windmill.execution.frames import (
    FRAME_SIZE,
    PAYLOAD_MAX,
    SEGMENT_SIZE,
    SegmentHeader,
    decode,
    decode_segment,
    version_of,
)

_SUFFIX: Final = ".seg"
_PROBE_TRIES: Final = 50  # times 2 ms: a reader asking `held` holds the lock for microseconds
_PROBE_PAUSE: Final = 0.002
_FRAME_MAX: Final = FRAME_SIZE + PAYLOAD_MAX
_NO_END: Final = 1 << 62


def numbers(stream: Path) -> list[int]:
    """Return the numbers of the segments present, ascending; none where there is no such directory."""
    try:
        names = os.listdir(stream)  # noqa: PTH208 - names are all that is wanted, on a path every read takes
    except (FileNotFoundError, NotADirectoryError):
        return []
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def segment(stream: Path, number: int) -> Path:
    """Return the path of a segment."""
    return stream / f"{number:08d}{_SUFFIX}"


def size(directory: Path) -> int:
    """Return the bytes that the segments of all streams in the journal's directory take."""
    total = 0
    for stream in streams(directory):
        with suppress(FileNotFoundError), os.scandir(directory / stream) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    with suppress(FileNotFoundError):
                        total += entry.stat().st_size
    return total


def streams(directory: Path) -> list[str]:
    """Return the names of the streams in the journal's directory, in no order."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []


def header(stream: Path, number: int) -> SegmentHeader | None:
    """Return a segment's header, or None when it is gone or unreadable."""
    return decode_segment(_beginning(stream, number))


def version(stream: Path, number: int) -> int:
    """Return the version of a segment, 0 when it is gone or unreadable."""
    return version_of(_beginning(stream, number))


def _beginning(stream: Path, number: int) -> bytes:
    try:
        with segment(stream, number).open("rb") as file:
            return file.read(SEGMENT_SIZE)
    except FileNotFoundError:
        return b""


def read(stream: Path, number: int, offset: int, *, limit: int, newest: bool) -> tuple[list[Frame], int]:
    """Return frames of a segment from `offset` on, about `limit` bytes at most, and the offset after them.

    There are none in a segment that is gone or unreadable, nor behind damage. In the newest segment of a live
    writer an append counts only when it is finished: an unfinished one may yet be taken back.
    """
    try:
        fd = os.open(segment(stream, number), os.O_RDONLY)
    except FileNotFoundError:
        return [], offset
    try:
        if offset < SEGMENT_SIZE:
            if decode_segment(os.pread(fd, SEGMENT_SIZE, 0)) is None:
                return [], offset
            offset = SEGMENT_SIZE
        left = os.fstat(fd).st_size - offset
        if left <= 0:
            return [], offset
        # Both facts are taken before the bytes: what lay within the file then is never taken back, and a dead
        # writer takes nothing back.
        end = left if newest and held(stream) else _NO_END
        frames, used = decode(os.pread(fd, limit, offset), end)
        if not frames and limit < _FRAME_MAX:
            frames = decode(os.pread(fd, _FRAME_MAX, offset), end)[0][:1]
            used = sum(FRAME_SIZE + len(frame.payload) for frame in frames)
        return frames, offset + used
    finally:
        os.close(fd)


def hold(stream: Path) -> int:
    """Return the descriptor of the stream's lock, held until it is closed. Raises Refused when another holds it."""
    fd = os.open(stream / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(_PROBE_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PROBE_PAUSE)
        else:
            return fd
    os.close(fd)
    raise Refused(
        f"the journal stream {stream.name} already has a writer",
        hint="another WindMill process works in this home; stop it first",
    )


def held(stream: Path) -> bool:
    """Return True while somebody holds the stream's lock."""
    try:
        fd = os.open(stream / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def restore(stream: Path, number: int, fd: int) -> int:
    """Write the open segment `fd`, whose file was deleted, out again; return a descriptor of the new file."""
    temporary = stream / "segment.tmp"
    new = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(new, os.pread(fd, os.fstat(fd).st_size, 0), 0)
        os.fdatasync(new)
        temporary.rename(segment(stream, number))
    except BaseException:
        os.close(new)
        temporary.unlink(missing_ok=True)
        raise
    return new


def is_file(path: Path, fd: int) -> bool:
    """Return True when the path still names the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def touch(path: Path) -> None:
    """Create an empty file that survives power loss."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    sync_directory(path.parent)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`, in one system call unless the disk takes less. Raises OSError."""
    done = os.pwrite(fd, data, offset)
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], offset + done)


def sync_directory(path: Path) -> None:
    """Make names created or renamed in the directory survive power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(stream: Path) -> None:
    """Delete a stream: segments first and the `settled` marker last, so that half a removal is done again."""
    with suppress(FileNotFoundError):
        for path in sorted(stream.iterdir(), key=lambda path: (path.name == "settled", path.name)):
            path.unlink(missing_ok=True)
        stream.rmdir()
