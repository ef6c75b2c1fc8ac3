"""Logging set-up: one line a record on stderr, for people or as JSON. Job output is never mixed into it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """`2026-01-01T00:00:00Z WARNING sentence`, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; an exception's last line stands for its traceback."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        clean = "".join(character if character.isprintable() else " " for character in text)
        return f"{_instant(record)} {record.levelname} {clean}"


class JsonLines(logging.Formatter):
    """One JSON object a line: at, level, message, and the fields given as `extra`, `event` among them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON text."""
        fields = {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        entry = {"at": _instant(record), "level": record.levelname.lower(), "message": record.getMessage(), **fields}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(*, level: int = logging.INFO, as_json: bool = False) -> None:
    """Send everything WindMill logs to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else Lines())
    logger = logging.getLogger("windmill")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
