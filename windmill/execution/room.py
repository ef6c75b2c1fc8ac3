"""Room on the disk: how much output a journal still takes, and what is kept for the ends of executions."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from windmill.execution import segments

NO_LIMIT: Final = 1 << 62
SEGMENTS_MIN: Final = 8  # a journal at its limit consists of at least so many: only whole ones can be deleted

_AGAIN_MS: Final = 1000
_RESUME: Final = 0.9  # of the limit: taking output again for every few bytes shipped would cut it into crumbs


class Room:
    """What is left of the `limit` bytes that the segments of all streams in `directory` may take together.

    The sum is taken when `measure` is called, and of a full journal again at most once a second. While it is full
    `marker` exists.
    """

    def __init__(self, directory: Path, marker: Path, *, limit: int, now_ms: Callable[[], int]) -> None:
        self._directory = directory
        self._marker = marker
        self._limit = limit
        self._now_ms = now_ms
        self._full = False
        self._again_at = 0
        self.left = limit
        marker.unlink(missing_ok=True)

    def measure(self) -> None:
        """Take the sum."""
        self._again_at = self._now_ms() + _AGAIN_MS
        left = self._limit - segments.size(self._directory)
        if self._full and left < self._limit * (1 - _RESUME):
            left = 0
        elif self._full:
            self._full = False
            self._marker.unlink(missing_ok=True)
        self.left = left

    def refresh(self) -> None:
        """Take the sum again when the journal is full and the last time is a second ago."""
        if self._full and self._now_ms() >= self._again_at:
            self.measure()

    def ask(self, size: int) -> None:
        """Raise OSError (EDQUOT) when `size` more bytes have no room."""
        if size <= self.left:
            return
        if self._full:
            self.refresh()
        else:
            self.measure()
        if size > self.left:
            self._full, self.left = True, 0
            with suppress(OSError):
                os.close(os.open(self._marker, os.O_WRONLY | os.O_CREAT, 0o600))
            raise OSError(errno.EDQUOT, "the journal has reached its size limit")


class Reserve:
    """Space allocated as the file `path`, to be given up for what must be written on a full disk."""

    def __init__(self, path: Path, *, size: int, now_ms: Callable[[], int]) -> None:
        self._path = path
        self._size = size
        self._now_ms = now_ms
        self._again_at = 0
        self.held = False

    def keep(self) -> None:
        """Allocate it; on a full disk leave that to a later `refresh`."""
        self._again_at = self._now_ms() + _AGAIN_MS
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size)
            finally:
                os.close(fd)
        except OSError:
            self._path.unlink(missing_ok=True)
        else:
            self.held = True

    def refresh(self) -> None:
        """Allocate it again when it is missing and the last attempt is a second ago."""
        if not self.held and self._now_ms() >= self._again_at:
            self.keep()

    def free(self) -> None:
        """Give it up."""
        self.held = False
        self._again_at = self._now_ms() + _AGAIN_MS
        with suppress(OSError):
            self._path.unlink()
