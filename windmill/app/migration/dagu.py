"""Dagu's files: a workflow becomes one job whose script runs the steps, each after those that it needs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from windmill.app.migration.model import Found, Left, Names, Reading, shell_script
from windmill.app.migration.values import cron_of, environment, seconds, text_of

KNOWN: Final = frozenset({
    "name", "description", "schedule", "env", "steps", "type", "tags", "labels", "group", "timeout_sec", "timeoutSec",
    "working_dir", "workingDir", "hist_retention_days", "histRetentionDays", "max_active_runs", "maxActiveRuns",
    "max_clean_up_time_sec", "maxCleanUpTimeSec", "shell", "retry_policy", "retryPolicy",
})  # fmt: skip
STEP: Final = frozenset({
    "name", "id", "description", "command", "run", "script", "args", "depends", "dir", "working_dir", "workingDir",
    "shell",
})  # fmt: skip


def read(document: Any, *, stem: str, names: Names) -> Reading:
    """Return the job of one workflow; `stem` is its file's name. A step that is no command leaves all of it out."""
    reading = Reading()
    if not isinstance(document, Mapping) or not isinstance(document.get("steps"), list | Mapping):
        reading.left.append(Left(0, "", "not a workflow: a mapping with steps"))
        return reading
    steps = list(_steps(document["steps"]))
    try:
        order = _order(steps, chain=document.get("type", "chain") != "graph")
        commands = [_command(step) for step in order]
    except ValueError as error:
        reading.left.append(Left(0, str(document.get("name", stem)), str(error)))
        return reading
    keys, left = _keys(document)
    reading.left += [Left(0, key, why) for key, why in left]
    remarks = () if len(steps) == 1 else ("its steps run one after another in one execution",)
    directory = document.get("working_dir") or document.get("workingDir") or ""
    script = shell_script(
        "set -e\n" + "\n".join(commands),
        origin=f"Dagu workflow {document.get('name', stem)}",
        shell=_shell(document),
        directory=shlex.quote(text_of(directory)) if directory else "",
    )
    name = names.of(text_of(document.get("name") or stem))
    reading.found.append(Found(line=0, name=name, keys=keys, script=script, remarks=remarks))
    return reading


def _steps(steps: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(steps, Mapping):
        steps = [{"name": name, **step} for name, step in steps.items() if isinstance(step, Mapping)]
    for number, step in enumerate(steps, 1):
        whole = step if isinstance(step, Mapping) else {"command": step}
        yield {"name": str(whole.get("id") or whole.get("name") or number), **whole}


def _order(steps: list[Mapping[str, Any]], *, chain: bool) -> list[Mapping[str, Any]]:
    """Return the steps so that each follows those it needs. Raises ValueError in words."""
    named = {str(step["name"]): step for step in steps}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    before: list[str] = []
    for step in steps:
        needs = step.get("depends")
        wanted = [str(one) for one in ([needs] if isinstance(needs, str) else needs or [])]
        sorter.add(str(step["name"]), *(wanted or (before if chain and needs is None else [])))
        before = [str(step["name"])]
        if unknown := [name for name in wanted if name not in named]:
            raise ValueError(f"step {step['name']} depends on {unknown[0]}, which is not there")
    try:
        return [named[name] for name in sorter.static_order()]
    except CycleError:
        raise ValueError("its steps depend on each other in a circle") from None


def _command(step: Mapping[str, Any]) -> str:
    """Return the step as lines of a shell script. Raises ValueError in words."""
    name = text_of(step["name"])
    if unknown := sorted(str(key) for key in step if key not in STEP):
        raise ValueError(f"step {name} has {', '.join(unknown)}, which a shell script cannot do")
    command = step.get("script") or step.get("command") or step.get("run")
    if isinstance(command, list):
        command = shlex.join(map(text_of, command))
    if not isinstance(command, str) or not command.strip():
        raise ValueError(f"step {name} has no command")
    arguments = " ".join(shlex.quote(text_of(one)) for one in step.get("args") or ())
    whole = f"{command.strip()} {arguments}".rstrip()
    directory = step.get("dir") or step.get("working_dir") or step.get("workingDir")
    if directory:
        whole = f"(cd {shlex.quote(text_of(directory))} && {{\n{whole}\n}})"
    return f"# {' '.join(name.split())}\n{whole}"


def _keys(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    keys: dict[str, Any] = {}
    left = [(str(key), "nothing here is like it") for key in document if key not in KNOWN]
    if document.get("description"):
        keys["description"] = text_of(document["description"])
    schedule, why = _schedule(document.get("schedule"))
    if schedule:
        keys["schedule"] = schedule
    if why:
        left.append(("schedule", why))
    if env := environment(document.get("env")):
        keys["env"] = env
    if timeout := seconds(document.get("timeout_sec") or document.get("timeoutSec")):
        keys["timeout"] = timeout
    if days := document.get("hist_retention_days") or document.get("histRetentionDays"):
        keys["keep"] = {"days": days}
    if document.get("group"):
        keys["labels"] = {"group": text_of(document["group"])}
    return keys, left


def _schedule(written: Any) -> tuple[Any, str]:
    """Return the schedule as a job file has it, None for none, and what of it is lost."""
    if written is None:
        return None, ""
    if isinstance(written, Mapping):
        lost = [str(key) for key in written if key != "start"]
        schedule, why = _schedule(written.get("start"))
        return schedule, f"{', '.join(lost)}: a schedule here only starts" if lost else why
    if isinstance(written, list):
        if len(written) == 1:
            return _schedule(written[0])
        return None, "a job has one schedule here: write a job for each"
    return cron_of(text_of(written)), ""


def _shell(document: Mapping[str, Any]) -> str:
    shell = str(document.get("shell") or "/bin/sh")
    return shell if shell.startswith("/") and " " not in shell else "/bin/sh"
