"""Field types shared by job files and settings: durations, sizes, instants, days, names."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
MAX_DURATION: Final = timedelta(days=36_500)

_DURATION: Final = re.compile(
    r"(?:([0-9.]+)w)? ?(?:([0-9.]+)d)? ?(?:([0-9.]+)h)? ?(?:([0-9.]+)m)? ?(?:([0-9.]+)s)? ?(?:([0-9.]+)ms)?"
)
_UNITS: Final = {"weeks": 604_800_000, "days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1000}
_FACTORS: Final = (*_UNITS.values(), 1)
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_DURATION_WORDS: Final = 'a duration such as 90, "1h30m" or {hours: 1, minutes: 30}'
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kKMGT]i?)?B?")
_SIZE_WORDS: Final = "a size such as 10MiB"
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_INSTANT_WORDS: Final = "an instant such as 2026-01-01T00:00:00"


def mistake(expected: str, hint: str = "") -> PydanticCustomError:
    """Return the error by which a field says what it expected."""
    return PydanticCustomError("expected", "unexpected value", {"expected": expected, "hint": hint})


def read_duration(value: Any) -> timedelta:
    """Return a duration of whole milliseconds from seconds, text with units, or a mapping of units."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | dict):
        raise mistake(_DURATION_WORDS)
    milliseconds = _milliseconds(value)
    if not math.isfinite(milliseconds) or milliseconds < 0:
        raise mistake(_DURATION_WORDS)
    if milliseconds > MAX_DURATION / timedelta(milliseconds=1):
        raise mistake(f"a duration of at most {MAX_DURATION.days}d")
    return timedelta(milliseconds=round(milliseconds))


def _milliseconds(value: float | str | dict[str, Any]) -> float:
    if isinstance(value, dict):
        if not value or not value.keys() <= _UNITS.keys():
            raise mistake("a mapping of " + ", ".join(_UNITS))
        if any(isinstance(n, bool) or not isinstance(n, int | float) or n < 0 for n in value.values()):
            raise mistake("numbers of " + ", ".join(value))
        return float(sum(n * _UNITS[unit] for unit, n in value.items()))
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip()) if len(value) <= 64 else None  # noqa: PLR2004 -- bounds the search
        if match is None or not any(match.groups()):
            raise mistake(_DURATION_WORDS, "units: w, d, h, m, s, ms, in this order")
        try:
            return sum(float(n) * factor for n, factor in zip(match.groups(), _FACTORS, strict=True) if n)
        except ValueError:
            raise mistake(_DURATION_WORDS) from None
    return value * 1000


def read_positive_duration(value: Any) -> timedelta:
    """Return a duration of at least one millisecond."""
    duration = read_duration(value)
    if not duration:
        raise mistake("a duration above 0")
    return duration


def read_size(value: Any) -> int:
    """Return bytes from a whole number or text with a unit; k, M, G, T are 1000s, Ki, Mi, Gi, Ti 1024s."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise mistake(_SIZE_WORDS)
        unit = match[2] or ""
        size = int(float(match[1]) * (1024 if unit.endswith("i") else 1000) ** _POWERS[unit[:1].lower()])
    if not 0 < size < 1 << 62:
        raise mistake("a size above 0")
    return size


def read_instant(value: Any) -> datetime:
    """Return the date and time written, naive where no zone is written, in whole milliseconds."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or "-" not in value[:5]:
        raise mistake(_INSTANT_WORDS)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def read_day(value: Any) -> date:
    """Return the date written as 2026-12-25."""
    try:
        return date.fromisoformat(value if isinstance(value, str) and "-" in value[:5] else "")
    except ValueError:
        raise mistake("a date such as 2026-12-25") from None


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


_DURATION_SCHEMA: Final = _schema(
    anyOf=[
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9.]+(w|d|h|m|s|ms)"},
        {
            "type": "object",
            "propertyNames": {"enum": list(_UNITS)},
            "additionalProperties": {"type": "number", "minimum": 0},
        },
    ]
)
Duration = Annotated[timedelta, PlainValidator(read_duration), _DURATION_SCHEMA]
PositiveDuration = Annotated[timedelta, PlainValidator(read_positive_duration), _DURATION_SCHEMA]
Size = Annotated[int, PlainValidator(read_size), _schema(type=["string", "integer"])]
Instant = Annotated[datetime, PlainValidator(read_instant), _schema(type="string", pattern="^[0-9]{4}-")]
Day = Annotated[date, PlainValidator(read_day), _schema(type="string", format="date")]


def read_name(value: Any) -> str:
    """Return the name of a job, project, group or channel."""
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise mistake('1 to 100 of the characters A-Z a-z 0-9 . _ -, the first not one of ". _ -"')
    return value


def read_host(value: Any) -> str:
    """Return the name of a host, as browsers send it."""
    if not isinstance(value, str) or not re.fullmatch(_HOST, value):
        raise mistake("the name of a host such as hooks.example.com, without port or wildcard")
    return value.lower()


Name = Annotated[str, PlainValidator(read_name), _schema(type="string", pattern=f"^{NAME_PATTERN}$")]
Host = Annotated[str, PlainValidator(read_host)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=100)]
