"""From a job and one of its executions to everything the runner must know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from windmill.core.errors import WindmillError
from windmill.core.model import Execution, Job, Location
from windmill.core.params import interpolate
from windmill.core.ports import Plan


def plan_for(job: Job, execution: Execution, location: Location, environ: Mapping[str, str]) -> Plan:
    """Return the plan of one execution; secrets named `from_env` are taken from `environ`.

    Raises WindmillError, which names the variable and never a value, when a secret is not set.
    """

    def fill(text: str) -> str:
        return interpolate(
            text,
            params=execution.params,
            slot=execution.slot or execution.queued_at,
            execution=execution.id,
            attempt=execution.attempt,
        )

    root = Path(location.root)
    secrets, secret_files = {}, {}
    for secret in job.secrets:
        if secret.from_env is not None:
            secrets[secret.name] = _required(environ, secret.from_env, secret.name)
        elif secret.from_file is not None:
            secret_files[secret.name] = str(root / secret.from_file)
    return Plan(
        execution=execution,
        root=location.root,
        entry_point=job.entry_point,
        python=location.python,
        args=tuple(fill(argument) for argument in job.args),
        working_dir=job.working_dir,
        env={name: fill(value) for name, value in job.env.items()} | dict(location.env) | secrets,
        env_files=tuple(str(root / name) for name in job.env_file),
        secret_names=tuple(secret.name for secret in job.secrets),
        secret_files=secret_files,
        timeout=job.timeout.total_seconds() if job.timeout else None,
        kill_grace=job.kill_grace.total_seconds(),
        success_exit_codes=job.success_exit_codes,
        fail_on_stderr=job.fail_on_stderr,
        output_max=job.output_max,
        memory=job.limits.memory,
        cpu_time=math.ceil(job.limits.cpu_time.total_seconds()) if job.limits.cpu_time else None,
        terminal=job.terminal,
    )


def _required(environ: Mapping[str, str], variable: str, secret: str) -> str:
    value = environ.get(variable)
    if value is None:
        raise WindmillError(
            f"secret {secret}: the scheduler's environment has no variable {variable}",
            hint=f"set {variable} for `windmill up`, or give the secret from_file",
        )
    return value
