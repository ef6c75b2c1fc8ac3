"""How far each journal stream has reached the store: one small file per stream."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from windmill.core.ports import Position

_LINE: Final = 63  # longer than any position


class Cursors:
    """Positions in `<directory>/<stream>/cursor`, kept in memory and on disk.

    A cursor may be older than what was shipped, never newer: it is written after the store acknowledged, and
    shipping again changes nothing. So it needs no fsync, and an unreadable one counts as none. It is written in
    place, one padded line by one system call, because a rename in every round costs more than all the rest.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Position] = {}

    def get(self, stream: str) -> Position | None:
        """Return the position up to which the stream is shipped, or None when nothing is known of it."""
        if stream not in self._known:
            try:
                read = json.loads(self._path(stream).read_bytes())
                self._known[stream] = Position(int(read["segment"]), int(read["offset"]))
            except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
                return None
        return self._known[stream]

    def move(self, stream: str, position: Position) -> None:
        """Remember the position. Raises OSError."""
        path = self._path(stream)
        line = json.dumps(position._asdict()).ljust(_LINE).encode("ascii")
        try:
            fd = _opened(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = _opened(path)
        try:
            os.pwrite(fd, line, 0)
        finally:
            os.close(fd)
        self._known[stream] = position

    def forget(self, stream: str) -> None:
        """Remove what is kept of a stream that no longer exists."""
        self._known.pop(stream, None)
        path = self._path(stream)
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def _path(self, stream: str) -> Path:
        return self._directory / stream / "cursor"


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
