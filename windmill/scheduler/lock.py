"""One scheduler per home: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Final

from windmill.core.documents import Document
from windmill.core.errors import Refused

ATTEMPTS: Final = 10
PAUSE: Final = 0.02  # seconds


class HomeLock:
    """Holds the flock on a file until closed; the file's text says who holds it.

    Raises Refused, naming the holder, when another process has it. The descriptor is not inherited by children,
    so a job never keeps a home locked.
    """

    def __init__(self, path: Path, *, holder: Document) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._taken():
            text = os.pread(self._fd, 4096, 0).decode(errors="replace")
            os.close(self._fd)
            raise Refused(
                f"another scheduler works on this home: {_in_words(text)}",
                hint="one home has one scheduler; stop the other one, or use --home for another home",
            )
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(holder).encode(), 0)

    def _taken(self) -> bool:
        """Try for a moment: whoever asks whether a scheduler lives holds the lock for an instant."""
        for _ in range(ATTEMPTS):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PAUSE)
            else:
                return True
        return False

    def close(self) -> None:
        """Let the home go."""
        os.close(self._fd)


def _in_words(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, since {holder['started_at']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is"
