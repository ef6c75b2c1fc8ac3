"""The bytes of a journal segment: one header, then frames that prove themselves whole.

All integers are little-endian. A frame carries the number of bytes that follow it in the same append, so that
a reader beside a live writer sees an append entirely or not at all: what a full disk cut short can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from windmill.core.ports import Frame

PAYLOAD_MAX: Final = 1 << 20
NO_EXECUTION: Final = "0" * 16

_MAGIC: Final = b"WMJOURNL"
VERSION: Final = 1
_SEGMENT: Final = Struct("<8sHxxQ40s")  # magic, version, created ms, boot id
_CRC: Final = Struct("<I")
_REST: Final = Struct(
    "<IIBBxxQq8s"
)  # length, bytes that follow in this append, kind, stream, sequence, at, execution
_FRAME: Final = Struct("<IIIBBxxQq8s")  # the two above as one

SEGMENT_SIZE: Final = _SEGMENT.size + _CRC.size
FRAME_SIZE: Final = _FRAME.size


class SegmentHeader(NamedTuple):
    """Who wrote a segment: the machine's boot id, and when it was begun, in milliseconds since the epoch."""

    boot_id: str
    created: int


def encode_segment(header: SegmentHeader) -> bytes:
    """Return the `SEGMENT_SIZE` bytes a segment begins with."""
    start = _SEGMENT.pack(_MAGIC, VERSION, header.created, header.boot_id.encode("ascii"))
    return start + _CRC.pack(crc32(start))


def decode_segment(data: bytes) -> SegmentHeader | None:
    """Return what a segment's first `SEGMENT_SIZE` bytes say, or None when they are no header of this version."""
    if version_of(data) != VERSION:
        return None
    _, _, created, boot_id = _SEGMENT.unpack_from(data)
    return SegmentHeader(boot_id.rstrip(b"\0").decode("ascii"), created)


def version_of(data: bytes) -> int:
    """Return the version of the segment that begins with `data`, 0 when that is no whole header."""
    if len(data) < SEGMENT_SIZE or crc32(data[: _SEGMENT.size]) != _CRC.unpack_from(data, _SEGMENT.size)[0]:
        return 0
    magic, version, _, _ = _SEGMENT.unpack_from(data)
    return int(version) if magic == _MAGIC else 0


def encode(frames: Sequence[Frame]) -> bytes:
    """Return the frames as the bytes of one append. Raises ValueError for a payload over `PAYLOAD_MAX`."""
    following = sum(len(frame.payload) for frame in frames) + FRAME_SIZE * len(frames)
    parts: list[bytes] = []
    for kind, execution, sequence, stream, at, payload in frames:
        length = len(payload)
        if length > PAYLOAD_MAX:
            raise ValueError(f"a journal frame holds at most {PAYLOAD_MAX} bytes, not {length}")
        following -= FRAME_SIZE + length
        rest = _REST.pack(length, following, kind, stream, sequence, at, bytes.fromhex(execution))
        parts += (_CRC.pack(crc32(payload, crc32(rest))), rest, payload)
    return b"".join(parts)


def decode(data: bytes, end: int) -> tuple[list[Frame], int]:
    """Return the whole frames `data` begins with, and how many bytes they take.

    It ends before the first frame that is unfinished, damaged, or of an append that reaches beyond byte `end`.
    """
    frames: list[Frame] = []
    view = memoryview(data)
    size = len(data)
    start = 0
    while (body := start + FRAME_SIZE) <= size:
        crc, length, following, kind, stream, sequence, at, execution = _FRAME.unpack_from(data, start)
        stop = body + length
        if stop > size or stop + following > end or crc32(view[start + _CRC.size : stop]) != crc:
            break
        frames.append(Frame(kind, execution.hex(), sequence, stream, at, data[body:stop]))
        start = stop
    return frames, start
