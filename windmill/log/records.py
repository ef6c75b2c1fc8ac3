"""Log records as JSON, one object a line and ASCII throughout, so that no text of a record can end a line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

NOT_TOLD: Final = frozenset({"exc_info", "stack_info", *RESERVED_ATTRS})  # tracebacks may quote what is secret


class Records(JsonFormatter):
    """`time`, `level`, `logger`, `message`, `event` ("" for none), what more the record brings, and its `error`."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data` from the record."""
        super().add_fields(log_data, record, message_dict)
        more = {name: value for name, value in log_data.items() if name not in NOT_TOLD}
        log_data.clear()
        log_data |= {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "event": more.pop("event", ""),
        }
        log_data |= {name: value for name, value in more.items() if name not in log_data}
        if record.exc_info and record.exc_info[1] is not None:
            log_data["error"] = repr(record.exc_info[1])


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
