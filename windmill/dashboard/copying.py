"""A job's document as what stands in the composer's form, so that a job can begin as a copy of another. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from windmill.dashboard.composing import DECIMAL, FIELDS, UNITS, WHENS, WHOLE, Form, some

_DURATION: Final = re.compile(r"([0-9.]+)(ms|[wdhms]) ?")
_SECONDS: Final = {"w": 604_800, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_LONG: Final = {"weeks": "w", "days": "d", "hours": "h", "minutes": "m", "seconds": "s"}


def form_of(document: Mapping[str, Any], *, project: str, name: str) -> tuple[Form, dict[str, Any]]:
    """Return the form that describes the job, and the keys for which there is no field."""
    rest = dict(document)
    first, notes = _split(str(rest.pop("description", "")))
    values = {"project": project, "name": name, "description": first, "notes": notes}
    taken = {key: rest.pop(key, None) for key in ("project", "name", "entry_point", "owner", "args", "env", "labels")}
    values |= {key: str(taken[key] or "") for key in ("entry_point", "owner")}
    values["args"] = "\n".join(map(_line, taken["args"] or ()))
    for key in ("env", "labels"):
        values[key] = "\n".join(f"{word}={_line(value)}" for word, value in (taken[key] or {}).items())
    values["after"] = "\n".join(map(_above, rest.pop("after", ())))
    values["timeout"] = _duration(rest.pop("timeout", ""))
    values["held"] = "" if rest.pop("enabled", True) else "on"
    retry = dict(rest.pop("retry", {}))
    values["retry_limit"], values["retry_delay"] = str(retry.pop("limit", "")), _duration(retry.pop("delay", ""))
    schedule = rest.pop("schedule", None)
    values |= _when(schedule)
    params = tuple(_row(param) for param in rest.pop("params", ()))
    left = {key: value for key, value in _keys(schedule).items() if key not in values and key != "interval"}
    return Form(values, params), rest | some({"retry": retry, "schedule": left})


def _split(text: str) -> tuple[str, str]:
    """Return the description's first line and what follows it; all of it as the latter where it is no such line."""
    first, _gap, notes = text.partition("\n\n")
    if "\n" in first or len(first) > FIELDS["description"] or first != first.strip() or notes[:1] == "\n":
        return "", text
    return first, notes


def _above(one: Mapping[str, Any]) -> str:
    """Return the line that `composing` reads as this job before."""
    return f"{one['job']} {one['when']}" if one.get("when", "success") != "success" else str(one["job"])


def _line(value: Any) -> str:
    """Return the line that `composing.value_of` reads as this text."""
    text = str(value)
    return text if text and text == text.strip() and text.isprintable() and text[0] != '"' else json.dumps(text)


def _row(param: Mapping[str, Any]) -> dict[str, str]:
    def shown(value: Any) -> str:
        return _line(value) if isinstance(value, str) else json.dumps(value)

    return {
        "name": str(param.get("name", "")),
        "type": str(param.get("type", "string")),
        "default": "" if param.get("default") is None else shown(param["default"]),
        "required": "on" if param.get("required") else "",
        "enum": "\n".join(map(shown, param.get("enum") or ())),
        "about": str(param.get("description", "")),
    }


def _keys(schedule: Any) -> Mapping[str, Any]:
    return schedule if isinstance(schedule, Mapping) else {}


def _when(schedule: Any) -> dict[str, str]:
    keys = {"cron": schedule} if isinstance(schedule, str) else _keys(schedule)
    texts = ("cron", "at", "start_at", "end_at", "timezone", "overrun", "catch_up")
    found = {key: str(keys.get(key) or "") for key in texts}
    found["when"] = next((name for name in WHENS if keys.get(name)), "manual")
    left = _seconds_of(keys.get("interval")) if found["when"] == "interval" else 0.0
    for unit, length in zip(UNITS, (86400, 3600, 60), strict=False):
        whole, left = divmod(left, length)
        found[unit] = str(int(whole)) if whole else ""
    found["seconds"] = f"{round(left, 3):g}" if left else ""
    return found


def _seconds_of(interval: Any) -> float:
    text = _duration(interval)
    if WHOLE.fullmatch(text) or DECIMAL.fullmatch(text):
        return float(text)
    return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION.findall(text))


def _duration(value: Any) -> str:
    """Return a duration as one word; a mapping of units becomes 1h30m."""
    if isinstance(value, Mapping):
        return "".join(f"{value[unit]}{short}" for unit, short in _LONG.items() if value.get(unit))
    return str(value)
