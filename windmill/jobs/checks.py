"""What the shape of a job file cannot say: values that must fit each other, the project, and the world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from windmill.core import paths
from windmill.core.errors import WindmillError
from windmill.core.model import Param
from windmill.core.params import FACTS, Scalar, references, typed, wanted
from windmill.jobs.complaints import Complaints, describe
from windmill.jobs.models import JobKeys, ParamKeys, ScheduleKeys
from windmill.jobs.words import nearest

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
TRIGGERS: Final = ("interval", "cron", "at")
_REFERENCE_INSTANT: Final = datetime(2024, 1, 1, tzinfo=UTC)


def check_document(keys: JobKeys, written: Mapping[str, Any], complaints: Complaints) -> None:
    """Report everything that can be judged without the project and the schedule's zone."""
    _check_params(keys, complaints)
    _check_references(keys, complaints)
    for index, secret in enumerate(keys.secrets):
        _one_source(("secrets", index), secret.from_env, secret.from_file, complaints)
        if secret.name in keys.env:
            complaints.report(("env", secret.name), f'"{secret.name}" is also a secret', hint="keep one of them")
    if keys.heartbeat:
        _one_source(("heartbeat",), keys.heartbeat.from_env, keys.heartbeat.from_file, complaints)
        if (file := keys.heartbeat.from_file) is not None and not file.startswith("/"):
            found = describe(file)
            complaints.report(("heartbeat", "from_file"), "the path is not absolute", expected="/...", found=found)
    if keys.fail_on_stderr and keys.terminal:
        hint = "keep one of them"
        complaints.report(("fail_on_stderr",), "with terminal: true there is no stderr of its own", hint=hint)
    _no_repeats("secrets", [secret.name for secret in keys.secrets], complaints)
    _no_repeats("params", [param.name for param in keys.params], complaints)
    schedule = written.get("schedule")
    if isinstance(schedule, dict):
        _check_triggers(schedule, complaints)


def _check_triggers(schedule: Mapping[str, Any], complaints: Complaints) -> None:
    given = [name for name in TRIGGERS if schedule.get(name) is not None]
    if len(given) != 1:
        complaints.report(
            ("schedule",),
            "schedule needs one trigger",
            expected="exactly one of interval, cron, at",
            found=" and ".join(given) or "none",
            hint="" if given else "remove schedule for a job that is only started by hand",
        )


def _one_source(path: tuple[str | int, ...], env: str | None, file: str | None, complaints: Complaints) -> None:
    if (env is None) == (file is None):
        found = "none" if env is None else "both"
        complaints.report(path, "one source is needed", expected="exactly one of from_env, from_file", found=found)
    if file is not None and (wrong := paths.mistake_in(file.removeprefix("/"))):
        complaints.report((*path, "from_file"), f"the path {wrong}", found=describe(file))


def _no_repeats(section: str, names: list[str], complaints: Complaints) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            complaints.report((section, index, "name"), f'"{name}" is listed twice')


def _check_params(keys: JobKeys, complaints: Complaints) -> None:
    for index, param in enumerate(keys.params):
        plain = Param(name=param.name, type=param.type)
        for place, value in _param_values(param):
            if isinstance(value, str) is not (param.type == "string") or typed(plain, value) is None:
                complaints.report(
                    ("params", index, *place),
                    f'parameter "{param.name}" is of type {param.type}',
                    expected=wanted(plain),
                    found=describe(value),
                )
        if param.enum and param.default is not None and param.default not in param.enum:
            expected = "one of " + ", ".join(map(describe, param.enum))
            found = describe(param.default)
            path = ("params", index, "default")
            complaints.report(path, "the default is not in enum", expected=expected, found=found)
        if param.required and param.default is not None:
            hint = "remove required or default"
            complaints.report(("params", index, "required"), "a default makes required useless", hint=hint)
        elif param.required and keys.schedule:
            hint = "give it a default, or remove schedule"
            complaints.report(("params", index, "required"), "a scheduled start has no value for it", hint=hint)


def _param_values(param: ParamKeys) -> list[tuple[tuple[str | int, ...], Scalar]]:
    values: list[tuple[tuple[str | int, ...], Scalar]] = [(("enum", n), value) for n, value in enumerate(param.enum)]
    return values if param.default is None else [(("default",), param.default), *values]


def _check_references(keys: JobKeys, complaints: Complaints) -> None:
    known = (*FACTS, *(f"params.{param.name}" for param in keys.params))
    texts: list[tuple[tuple[str | int, ...], str]] = [(("args", n), text) for n, text in enumerate(keys.args)]
    texts += [(("env", name), text) for name, text in keys.env.items()]
    for path, text in texts:
        try:
            unknown = [name for name in references(text) if name not in known]
        except WindmillError as error:
            complaints.report(path, error.message, hint=error.hint)
            continue
        for name in unknown:
            hint = f"{nearest(name, known)}; write $${{ for the characters themselves"
            complaints.report(path, f'"${{{name[:80]}}}" names nothing', hint=hint)


def check_schedule(schedule: ScheduleKeys, zone: ZoneInfo, complaints: Complaints) -> dict[str, datetime | None]:
    """Return at, start_at and end_at as UTC instants, and report what does not fit."""
    if schedule.cron is not None:
        _check_cron(schedule.cron, complaints)
    instants = {
        name: _instant(name, getattr(schedule, name), zone, complaints) for name in ("at", "start_at", "end_at")
    }
    start, end = instants["start_at"] or instants["at"], instants["end_at"]
    if start and end and end < start:
        complaints.report(
            ("schedule", "end_at"), "end_at is before the first slot", expected=f"{start} or later", found=f"{end}"
        )
    return instants


def _check_cron(expression: str, complaints: Complaints) -> None:
    text = ALIASES.get(expression.strip().lower(), expression)
    try:
        next(CronSim(text, _REFERENCE_INSTANT))
    except CronSimError as error:
        hint = "fields: minute hour day month weekday; or one of " + " ".join(ALIASES)
        found = describe(expression)
        complaints.report(("schedule", "cron"), f"not a cron expression: {error}", found=found, hint=hint)
    except StopIteration:
        complaints.report(
            ("schedule", "cron"), "no date ever matches this cron expression", found=describe(expression)
        )


def _instant(name: str, written: datetime | None, zone: ZoneInfo, complaints: Complaints) -> datetime | None:
    """Return the UTC instant; of a naive time that comes twice it is the first, one that never comes is a problem."""
    if written is None:
        return None
    try:
        instant = (written if written.tzinfo else written.replace(tzinfo=zone)).astimezone(UTC)
        back = instant.astimezone(zone).replace(tzinfo=None)
    except (OverflowError, ValueError):
        complaints.report(("schedule", name), f"{name} is out of range", found=str(written))
        return None
    if written.tzinfo is None and back != written:
        hint = f"clocks were put forward then; the time after the change is {back}"
        complaints.report(("schedule", name), f"{written} does not exist in {zone.key}", hint=hint)
    return instant


def check_paths(keys: JobKeys, project: Path, complaints: Complaints) -> None:
    """Report paths that leave the project (a directory or a single file), and warn of a missing entry point."""
    root = project.parent if project.suffix == ".py" and not project.is_dir() else project
    if not paths.is_module(keys.entry_point):
        if root != project and keys.entry_point != project.name:
            found = describe(keys.entry_point)
            complaints.report(("entry_point",), "this project is a single file", expected=project.name, found=found)
        elif _inside(("entry_point",), keys.entry_point, root, complaints):
            _warn_if_missing(keys.entry_point, root, complaints)
    if keys.working_dir is not None:
        _inside(("working_dir",), keys.working_dir, root, complaints)
    for index, file in enumerate(keys.env_file):
        _inside(("env_file", index), file, root, complaints)
    for index, secret in enumerate(keys.secrets):
        if secret.from_file is not None and not secret.from_file.startswith("/"):
            _inside(("secrets", index, "from_file"), secret.from_file, root, complaints)


def _inside(path: tuple[str | int, ...], relative: str, root: Path, complaints: Complaints) -> bool:
    wrong = paths.mistake_in(relative)
    hint = "write a path inside the project, such as jobs/sales.py"
    if relative.startswith("-m") and path == ("entry_point",):
        wrong, hint = "is not a module", 'write "-m package.module"'
    elif not wrong:
        try:
            if not (root / relative).resolve().is_relative_to(root.resolve()):
                wrong = "leads out of the project by a link"
        except (OSError, RuntimeError):
            wrong = "cannot be followed: its links go in circles"
    if wrong:
        complaints.report(path, f"the path {wrong}", found=describe(relative), hint=hint, code="path")
    return not wrong


def _warn_if_missing(entry_point: str, root: Path, complaints: Complaints) -> None:
    try:
        exists = (root / entry_point).is_file()
    except OSError:
        exists = False
    if not exists:
        message = f'the project has no file "{entry_point}"'
        complaints.report(("entry_point",), message, warning=True, code="no-entry-point")
