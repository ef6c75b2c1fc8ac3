"""Logging set-up: one line a record on stderr, for people. Job output is never mixed into it."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final

# What could steer a terminal or end a line: controls, and the marks that reorder text.
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class Lines(logging.Formatter):
    """`2026-01-01T00:00:00Z sentence`; warnings say so, and the last line of an exception stands for it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{at} {level}{UNSAFE.sub(' ', text)}"


def configure(level: int) -> None:
    """Send everything WindMill logs from `level` up to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logger = logging.getLogger("windmill")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
