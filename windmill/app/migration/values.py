"""Values that several schedulers write alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ZONES: Final = ("CRON_TZ=", "TZ=")


def text_of(value: Any) -> str:
    """Return a scalar as its file has it: true, and not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def cron_of(written: str) -> Any:
    """Return a cron expression, which may begin with CRON_TZ=ZONE, as the schedule of a job."""
    first, _, rest = written.strip().partition(" ")
    for prefix in _ZONES:
        if first.startswith(prefix):
            return {"cron": rest.strip(), "timezone": first.removeprefix(prefix)}
    return written.strip()


def environment(written: Any) -> dict[str, str]:
    """Return variables from a mapping, from NAME=VALUE, or from a list of these or of {key, value}."""
    env: dict[str, str] = {}
    for one in written if isinstance(written, list) else [written]:
        if isinstance(one, str):
            name, _, value = one.partition("=")
            env[name] = value
        elif isinstance(one, Mapping) and {"key", "value"} >= one.keys() and "key" in one:
            env[text_of(one["key"])] = text_of(one.get("value", ""))
        elif isinstance(one, Mapping):
            env |= {text_of(name): text_of(value) for name, value in one.items()}
    return env


def seconds(written: Any) -> str:
    """Return a number of seconds as a duration of a job file, "" for none."""
    return (
        f"{written:g}s" if isinstance(written, int | float) and not isinstance(written, bool) and written > 0 else ""
    )
