"""Secret values never leave a job's output readable, whatever the boundaries of the reads that carry them."""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = b"***"
SHORTEST: Final = 4  # shorter values would blot out ordinary text: "1", "no", "dev"

_ANCHOR: Final = 8
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def patterns(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return every spelling of the values that is masked; values under `SHORTEST` bytes are not.

    A value as it is, each of its lines, URL-encoded, JSON-escaped, and in base64 (both alphabets) alone or
    within something larger. Base64 broken into lines and encodings of encodings are not recognised.
    """
    found = {spelling for value in values if len(value) >= SHORTEST for spelling in _spellings(value)}
    return tuple(sorted(spelling for spelling in found if len(spelling) >= SHORTEST))


def _spellings(value: bytes) -> Iterator[bytes]:
    yield value
    yield from (line.strip() for line in value.splitlines())
    for url in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield url.encode()
    with suppress(UnicodeDecodeError):
        text = value.decode()
        yield json.dumps(text)[1:-1].encode()
        yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    for encoded in _base64(value):
        yield encoded
        yield encoded.translate(_URL_SAFE)


def _base64(value: bytes) -> Iterator[bytes]:
    """Yield the base64 of the value alone, padded or not, and what of it the value decides at each alignment."""
    alone = b2a_base64(value, newline=False)
    yield alone
    yield alone.rstrip(b"=")
    for shift in range(3):
        encoded = b2a_base64(bytes(shift) + value, newline=False)
        yield encoded[-(-8 * shift // 6) : 8 * (shift + len(value)) // 6]


class Masker:
    """Replaces every occurrence of the patterns in one stream of bytes, overlapping ones as one, by `MASK`.

    Only what may be the beginning of a pattern is held back until more bytes, or the end, decide.
    """

    def __init__(self, patterns: tuple[bytes, ...]) -> None:
        self._patterns = patterns
        self._starts = frozenset(p[:size] for p in patterns for size in range(1, min(_ANCHOR, len(p))))
        self._held = b""
        self._hidden = 0  # bytes at the start of `held` that an emitted MASK already stands for

    def feed(self, data: bytes) -> bytes:
        """Return what is decided after these bytes, secrets replaced."""
        data = self._held + data
        return self._emit(data, len(data) - self._undecided(data))

    def finish(self) -> bytes:
        """Return what was held back."""
        return self._emit(self._held, len(self._held))

    def _emit(self, data: bytes, end: int) -> bytes:
        """Return data[:end] masked and hold back the rest. No occurrence that starts before `end` is cut off."""
        spans = sorted(self._occurrences(data, end)) if any(p in data for p in self._patterns) else []
        parts: list[bytes] = []
        done = self._hidden  # everything before it is emitted or masked
        for start, stop in spans:
            if start >= done:
                parts += (data[done:start], MASK)
            done = max(done, stop)
        parts.append(data[done:end])
        self._held = data[end:]
        self._hidden = max(0, done - end)
        return b"".join(parts)

    def _occurrences(self, data: bytes, end: int) -> Iterator[tuple[int, int]]:
        for pattern in self._patterns:
            start = data.find(pattern)
            while 0 <= start < end:
                yield start, start + len(pattern)
                start = data.find(pattern, start + 1)

    def _undecided(self, data: bytes) -> int:
        """Return the length of the longest end of `data` that is the beginning of a longer pattern."""
        longest = max((self._begun(data, pattern) for pattern in self._patterns), default=0)
        if longest:
            return longest
        sizes = range(min(_ANCHOR - 1, len(data)), 0, -1)
        return next((size for size in sizes if data[-size:] in self._starts), 0)

    @staticmethod
    def _begun(data: bytes, pattern: bytes) -> int:
        """Return the length, at least `_ANCHOR`, of the longest end of `data` the pattern begins with, or 0."""
        anchor = pattern[:_ANCHOR]
        start = data.find(anchor, max(0, len(data) - len(pattern) + 1))
        while start >= 0:
            if pattern.startswith(data[start:]):
                return len(data) - start
            start = data.find(anchor, start + 1)
        return 0
