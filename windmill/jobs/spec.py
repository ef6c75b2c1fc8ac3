"""Job files: the text of one file -> jobs, or every problem with its line, column and hint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from windmill.core.errors import Problem, WindmillError
from windmill.core.model import (
    After,
    Expect,
    Heartbeat,
    Job,
    Keep,
    Limits,
    Notify,
    Param,
    Retry,
    Schedule,
    Secret,
    When,
)
from windmill.jobs import strict_yaml
from windmill.jobs.checks import check_document, check_paths, check_schedule
from windmill.jobs.complaints import Complaints, describe
from windmill.jobs.fields import read_name
from windmill.jobs.models import JobKeys, NotifyKeys, ScheduleKeys
from windmill.jobs.strict_yaml import Document
from windmill.jobs.words import nearest

NOT_DEFAULTS: Final = ("name", "entry_point", "schedule")
MERGED: Final = ("env", "labels", "retry", "limits", "output", "keep", "expect", "notify")
_PLACEHOLDER: Final = "main.py"  # stands for an entry point that was reported, so that the rest is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """Everything outside the file that its meaning depends on; see `read`."""

    file: str
    stem: str
    timezone: str
    defaults: Mapping[str, Any]
    projects: Mapping[str, Path]


def read(
    content: bytes,
    *,
    file: str,
    stem: str,
    timezone: str,
    defaults: Mapping[str, Any],
    projects: Mapping[str, Path],
) -> tuple[list[Job], list[Problem]]:
    """Return the jobs of a file and all its problems; never raises.

    `file` is how people know the file, `stem` the default name. A document with an error yields no job; the other
    documents of the file count, as far as they come before the hundredth error. `projects` maps names to
    directories, or to the file of a single-file project. Naive instants are read in the schedule's timezone: the
    first of two readings; one that does not exist is an error.
    """
    documents, problems = strict_yaml.read(content, file=file)
    context = _Context(file=file, stem=stem, timezone=timezone, defaults=defaults, projects=projects)
    jobs, errors = [], 0
    for document in documents:
        complaints = Complaints(file, document, problems)
        job = _job(document, complaints, context)
        problems += complaints.found
        if job is not None:
            jobs.append(job)
        errors += complaints.errors
        if errors >= strict_yaml.MAX_PROBLEMS:
            break
    return jobs, sorted(problems, key=lambda problem: (problem.line, problem.column))


def job_from_document(
    document: Mapping[str, Any],
    *,
    file: str,
    stem: str,
    timezone: str,
    defaults: Mapping[str, Any],
    projects: Mapping[str, Path],
) -> Job:
    """Return the job of a stored `Job.document`. Raises WindmillError naming all problems."""
    complaints = Complaints(file, whole := Document(data=dict(document)), [])
    context = _Context(file=file, stem=stem, timezone=timezone, defaults=defaults, projects=projects)
    job = _job(whole, complaints, context)
    if job is None:
        raise WindmillError("; ".join(str(problem) for problem in complaints.found))
    return job


def default_mistakes(defaults: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the `[defaults]` of windmill.toml, one sentence each."""
    forbidden = [
        f"defaults.{name} is not allowed: every job has its own" for name in NOT_DEFAULTS if name in defaults
    ]
    complaints = Complaints("windmill.toml", Document(), [])
    usable = {name: value for name, value in defaults.items() if name not in NOT_DEFAULTS}
    try:
        JobKeys.model_validate({**usable, "entry_point": _PLACEHOLDER})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            complaints.add(detail)
    return forbidden + [_sentence(problem) for problem in complaints.found]


def _sentence(problem: Problem) -> str:
    wanted = f" (expected {problem.expected}, found {problem.found})" if problem.expected else ""
    return f"defaults: {problem.message}{wanted}" + (f": {problem.hint}" if problem.hint else "")


def _job(document: Document, complaints: Complaints, context: _Context) -> Job | None:
    """Return the job of one document, or None after reporting why there is none."""
    if not isinstance(document.data, dict):
        found = describe(document.data)
        complaints.report((), "a job is a mapping", expected="keys such as entry_point: main.py", found=found)
        return None
    merged = _merge(context.defaults, document.data)
    keys = _validate(merged, complaints)
    if keys is None:
        return None
    name = keys.name or _default_name(context.stem, complaints)
    project = _project(keys.project, context.projects, complaints)
    complaints.job = f"{project}/{name}" if project and name else ""
    check_document(keys, merged, complaints)
    schedule = _schedule(keys.schedule, context.timezone, complaints)
    if project:
        check_paths(keys, context.projects[project], complaints)
    if complaints.fatal:
        return None
    return _build(keys, schedule, merged, document, file=context.file, name=name, project=project)


def _merge(defaults: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the defaults under it; mappings of independent keys are merged key by key."""
    merged = {**defaults, **data}
    for section in MERGED:
        below, above = defaults.get(section), data.get(section)
        if isinstance(below, dict) and isinstance(above, dict):
            merged[section] = {**below, **above}
    return merged


def _validate(data: dict[str, Any], complaints: Complaints) -> JobKeys | None:
    """Return the checked keys; wrong ones are reported and left out, so that the rest is judged too."""
    try:
        return JobKeys.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    for detail in details[: strict_yaml.MAX_PROBLEMS]:
        complaints.add(detail)
    try:
        return JobKeys.model_validate(_without(data, [detail["loc"] for detail in details]))
    except ValidationError:
        return None


def _without(data: dict[str, Any], wrong: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return a copy without the wrong values; a list with a wrong entry goes as a whole."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for first, *rest in wrong:
        inner = copy.get(str(first))
        if isinstance(inner, dict) and rest and isinstance(rest[0], str) and rest[0] in inner:
            del inner[rest[0]]
        elif not isinstance(inner, dict) or not rest:
            copy.pop(str(first), None)
    return {"entry_point": _PLACEHOLDER, **copy}


def _default_name(stem: str, complaints: Complaints) -> str:
    try:
        return read_name(stem)
    except PydanticCustomError:
        hint = "add name: to the document"
        complaints.report((), "the file's name cannot name a job", found=describe(stem), hint=hint, code="name")
        return ""


def _project(name: str | None, projects: Mapping[str, Path], complaints: Complaints) -> str:
    """Return the name of a project that exists, or "" after reporting why there is none."""
    if name is None and len(projects) == 1:
        return next(iter(projects))
    if name is not None and name in projects:
        return name
    if not projects:
        hint = "make a directory, or put a .py file, under projects/"
        complaints.report((() if name is None else ("project",)), "there is no project", hint=hint, code="project")
    elif name is None:
        names = ", ".join(sorted(projects))
        complaints.report((), "project is missing", expected=f"one of {names}", found="nothing", code="project")
    else:
        hint = nearest(name, sorted(projects))
        complaints.report(("project",), "unknown project", found=describe(name), hint=hint, code="project")
    return ""


def _schedule(keys: ScheduleKeys | None, default_zone: str, complaints: Complaints) -> Schedule | None:
    if keys is None:
        return None
    name = keys.timezone or default_zone
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = "write an IANA name such as Europe/Lisbon"
        complaints.report(("schedule", "timezone"), "unknown timezone", found=describe(name), hint=hint)
        return None
    instants = check_schedule(keys, zone, complaints)
    return Schedule(
        interval=keys.interval,
        cron=keys.cron,
        timezone=name,
        max_runs=keys.max_runs,
        overrun=keys.overrun,
        catch_up=keys.catch_up,
        catch_up_window=keys.catch_up_window,
        spread=keys.spread,
        skip_dates=frozenset(keys.skip_dates),
        **instants,
    )


def _build(
    keys: JobKeys,
    schedule: Schedule | None,
    merged: Mapping[str, Any],
    document: Document,
    *,
    file: str,
    name: str,
    project: str,
) -> Job:
    values: dict[str, Any] = {
        "project": project,
        "name": name,
        "entry_point": keys.entry_point,
        "args": tuple(keys.args),
        "working_dir": keys.working_dir,
        "env": keys.env,
        "env_file": tuple(keys.env_file),
        "secrets": tuple(Secret(**dict(secret)) for secret in keys.secrets),
        "params": tuple(Param(**{**dict(param), "enum": tuple(param.enum)}) for param in keys.params),
        "schedule": schedule,
        "timeout": keys.timeout,
        "kill_grace": keys.kill_grace,
        "retry": Retry(**{**dict(keys.retry), "exit_codes": tuple(keys.retry.exit_codes)}),
        "success_exit_codes": tuple(keys.success_exit_codes),
        "fail_on_stderr": keys.fail_on_stderr,
        "limits": Limits(**dict(keys.limits)),
        "output_max": keys.output.max_size,
        "keep": Keep(**dict(keys.keep)),
        "after": tuple(_after(one.job, one.when, project) for one in keys.after),
        "group": keys.group or "",
        "priority": keys.priority,
        "heartbeat": Heartbeat(**dict(keys.heartbeat)) if keys.heartbeat else None,
        "expect": Expect(**dict(keys.expect)),
        "notify": _notify(keys.notify),
        "terminal": keys.terminal,
        "enabled": keys.enabled,
        "description": keys.description,
        "labels": keys.labels,
        "owner": keys.owner,
    }
    digest = hashlib.blake2b(json.dumps(values, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()
    return Job(
        **values,
        file=file,
        line=document.place(())[0],
        digest=digest,
        document=document.data,
        complete=_complete(merged, project=project, name=name, schedule=schedule),
    )


def _notify(keys: NotifyKeys) -> Notify:
    return Notify(
        on_failure=tuple(keys.on_failure),
        after_failures=keys.after_failures,
        on_recovery=tuple(keys.on_recovery),
        on_late=tuple(keys.on_late),
    )


def _after(job: str, when: str, project: str) -> After:
    """Return the upstream; a name alone is one of the same project."""
    return After(job if "/" in job else f"{project}/{job}", When(when))


def _complete(merged: Mapping[str, Any], *, project: str, name: str, schedule: Schedule | None) -> dict[str, Any]:
    """Return the document that means the same in a file of any name, under any defaults and in any home."""
    complete = {**merged, "project": project, "name": name}
    if schedule is not None:
        written = merged["schedule"]
        keys = written if isinstance(written, dict) else {"cron": written}
        complete["schedule"] = {**keys, "timezone": schedule.timezone}
    return complete


def _plain(value: Any) -> Any:
    """Return what JSON lacks in types that it has, equal for equal values."""
    match value:
        case frozenset():
            return sorted(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value // timedelta(milliseconds=1)
        case _:
            return {field.name: getattr(value, field.name) for field in fields(value)}
