"""Logging set-up: one line a record on stderr, for people or as JSON. Job output is never mixed into it."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, Literal

Form = Literal["text", "json"]

# What could steer a terminal or end a line: controls, and the marks that reorder text.
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


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


def configure(level: int, form: Form = "text") -> None:
    """Send everything WindMill logs from `level` up to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(form))
    logger = logging.getLogger("windmill")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def _formatter(form: Form) -> logging.Formatter:
    if form == "text":
        return Lines()
    from windmill.log.records import Records  # noqa: PLC0415 - who wants text does not wait for it

    return Records()


def is_json() -> bool:
    """Return True where records are JSON, for programs to read and often for others to keep."""
    handlers = logging.getLogger("windmill").handlers
    return bool(handlers) and not isinstance(handlers[0].formatter, Lines)


def say(text: str) -> None:
    """Tell the person who started this: a line of text, or a record where all are JSON."""
    if is_json():
        logging.getLogger("windmill").info("%s", text, extra={"event": "said"})
    else:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def pass_on(line: str) -> None:
    """Tell what another process of ours said: its records as they are, all else as `say` does."""
    try:
        recorded = is_json() and isinstance(json.loads(line), dict)
    except ValueError:
        recorded = False
    if recorded:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    else:
        say(line)
