"""The files of yacron and its successors: each of their jobs becomes a job whose script is the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from windmill.app.migration.model import Found, Left, Names, Reading, shell_script
from windmill.app.migration.values import environment, seconds, text_of

FIELDS: Final = ("minute", "hour", "dayOfMonth", "month", "dayOfWeek")
TURNED: Final = frozenset({
    "name", "command", "shell", "schedule", "utc", "timezone", "environment", "enabled", "executionTimeout",
    "killTimeout", "onFailure", "captureStderr", "captureStdout", "concurrencyPolicy", "saveLimit",
})  # fmt: skip
NEVER: Final = {
    "user": "everything runs as WindMill's user",
    "group": "everything runs as WindMill's group",
    "statsd": "/metrics is read by Prometheus",
    "failsWhen": "a job fails by its exit code: success_exit_codes",
}


def read(document: Any, *, stem: str, names: Names) -> Reading:
    """Return the jobs of one file; `stem` is its name, and names a job that has none."""
    reading = Reading()
    if not isinstance(document, Mapping) or not isinstance(document.get("jobs"), list):
        reading.left.append(Left(0, "", "not a file of yacron: a mapping with jobs"))
        return reading
    given = document.get("defaults")
    defaults = given if isinstance(given, Mapping) else {}
    for section in sorted(str(key) for key in document if key not in {"jobs", "defaults"}):
        reading.left.append(Left(0, section, "nothing here is like it"))
    for number, job in enumerate(document["jobs"], 1):
        if isinstance(job, Mapping):
            _job(reading, {**defaults, **job}, f"{stem}-{number}", names)
        else:
            reading.left.append(Left(0, f"jobs[{number}]", "not a mapping"))
    return reading


def _job(reading: Reading, job: Mapping[str, Any], otherwise: str, names: Names) -> None:
    name = text_of(job.get("name") or otherwise)
    command = job.get("command")
    schedule, why = _schedule(job)
    if not command:
        why = "it has no command"
    if why:
        reading.left.append(Left(0, name, why))
        return
    for key in sorted(str(key) for key in job if key not in TURNED):
        reading.left.append(Left(0, f"{name}: {key}", NEVER.get(key, "nothing here is like it")))
    shell = str(job.get("shell") or "/bin/sh")
    whole = shlex.join(map(text_of, command)) if isinstance(command, list) else text_of(command)
    keys: dict[str, Any] = {
        "schedule": schedule,
        "enabled": job.get("enabled"),
        "env": environment(job.get("environment")),
    }
    keys |= {"timeout": seconds(job.get("executionTimeout")), "kill_grace": seconds(job.get("killTimeout"))}
    keys["retry"] = _retry(job)
    remarks = []
    if job.get("concurrencyPolicy", "Allow") != "Forbid":
        remarks.append(f"concurrencyPolicy {job.get('concurrencyPolicy', 'Allow')}: a job never overlaps itself here")
    reading.found.append(
        Found(
            line=0,
            name=names.of(name),
            keys={key: value for key, value in keys.items() if value not in (None, "", {}, True)},
            script=shell_script(whole, origin=f"yacron job {' '.join(name.split())}", shell=shell),
            remarks=tuple(remarks),
        )
    )


def _schedule(job: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the schedule as a job file has it, and why there is none."""
    written = job.get("schedule")
    if isinstance(written, Mapping):
        if unknown := sorted(str(key) for key in written if key not in FIELDS):
            return None, f"its schedule has {', '.join(unknown)}: five fields are what there is"
        written = " ".join(text_of(written.get(name, "*")) for name in FIELDS)
    if not isinstance(written, str) or not written.strip():
        return None, "it has no schedule"
    if written.strip().startswith("@reboot"):
        return None, "@reboot has no time: WindMill starts nothing because a machine starts"
    zone = job.get("timezone") or ("UTC" if job.get("utc", True) else None)
    return ({"cron": written.strip(), "timezone": text_of(zone)} if zone else written.strip()), ""


def _retry(job: Mapping[str, Any]) -> dict[str, Any]:
    failure = job.get("onFailure")
    retry = failure.get("retry") if isinstance(failure, Mapping) else None
    if not isinstance(retry, Mapping) or not isinstance(retry.get("maximumRetries"), int):
        return {}
    limit = retry["maximumRetries"]
    found: dict[str, Any] = {"limit": limit if limit >= 0 else 100}
    for theirs, ours in (("initialDelay", "delay"), ("maximumDelay", "max_delay")):
        if length := seconds(retry.get(theirs)):
            found[ours] = length
    if isinstance(retry.get("backoffMultiplier"), int | float):
        found["backoff"] = retry["backoffMultiplier"]
    return found if found["limit"] else {}
