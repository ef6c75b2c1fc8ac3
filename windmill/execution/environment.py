"""The environment of an execution, built from nothing: the daemon's own never reaches a job."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final

from windmill.core.documents import to_text
from windmill.core.errors import WindmillError
from windmill.core.model import Execution
from windmill.core.ports import Plan
from windmill.execution.dotenv import parse

FILE_MAX: Final = 64 << 10  # bytes of an environment or secret file
STRING_MAX: Final = 128 << 10  # bytes of one argument or variable with its final NUL (Linux, MAX_ARG_STRLEN)

BASICS: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class NotStarted(WindmillError):
    """An execution cannot be started; the message is its reason."""


def build(plan: Plan, *, cookie: str, environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[bytes, ...]]:
    """Return the environment, and the secret values in it.

    Later wins: basics taken from `environ`, params, `env_files`, `env`, `secret_files`, the facts WINDMILL_*.
    Raises NotStarted for a file that cannot be used and for what no environment can hold.
    """
    env = {"PATH": _PATH, "PYTHONUNBUFFERED": "1"}
    env |= {name: environ[name] for name in BASICS if environ.get(name)}
    env |= _params(plan.execution.params)
    for file in plan.env_files:
        env |= _env_file(file)
    env |= plan.env
    secrets = {name: _secret_file(name, file) for name, file in plan.secret_files.items()}
    env |= secrets
    env |= _facts(plan.execution, cookie)
    _check(env)
    hidden = dict.fromkeys((*plan.secret_names, *secrets))
    return env, tuple(os.fsencode(env[name]) for name in hidden if env.get(name))


def unusable(text: str) -> str:
    """Return why the system would refuse `text` as an argument or variable, "" when it would not."""
    if "\0" in text:
        return "holds a NUL byte"
    try:
        size = len(os.fsencode(text)) + 1
    except UnicodeEncodeError:
        return "holds a character that the system's encoding does not know"
    return f"is {size} bytes long, where the system takes at most {STRING_MAX}" if size > STRING_MAX else ""


def _facts(execution: Execution, cookie: str) -> Iterator[tuple[str, str]]:
    yield "WINDMILL_COOKIE", cookie
    yield "WINDMILL_EXECUTION", execution.id
    yield "WINDMILL_JOB", execution.job
    yield "WINDMILL_PROJECT", execution.job.partition("/")[0]
    yield "WINDMILL_ATTEMPT", str(execution.attempt)
    yield "WINDMILL_TRIGGER", str(execution.trigger)
    if slot := to_text(execution.slot):
        yield "WINDMILL_SLOT", slot
    if execution.revision:
        yield "WINDMILL_REVISION", execution.revision


def _params(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each param that has a value as WINDMILL_PARAM_<NAME>; truth is "true" or "false"."""
    for name, value in params.items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield "WINDMILL_PARAM_" + re.sub(r"[^A-Z0-9_]", "_", name.upper()), text


def _env_file(file: str) -> dict[str, str]:
    data = _read(file, "environment file")
    try:
        return parse(data, file)
    except WindmillError as error:
        raise NotStarted(error.message, hint=error.hint) from None


def _secret_file(name: str, file: str) -> str:
    return os.fsdecode(_read(file, f"file of the secret {name}").rstrip(b"\r\n"))


def _read(file: str, what: str) -> bytes:
    """Return the content of a small regular file; a pipe in its place must not block."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise NotStarted(f"the {what} {file} cannot be read: {error.strerror}") from None
    with open(fd, "rb", buffering=0) as opened:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotStarted(f"the {what} {file} is not a regular file")
        data = b""
        while len(data) <= FILE_MAX and (more := opened.read(FILE_MAX + 1 - len(data))):
            data += more
    if len(data) > FILE_MAX:
        raise NotStarted(f"the {what} {file} is too large: at most {FILE_MAX >> 10} KiB are read")
    return data


def _check(env: Mapping[str, str]) -> None:
    """Refuse what no environment can hold; one look at everything together finds nearly all of them in order."""
    together = "".join(f"{name}={value}" for name, value in env.items())
    if "" in env or "=" in "".join(env) or unusable(together):
        for name, value in env.items():
            _check_variable(name, value)


def _check_variable(name: str, value: str) -> None:
    if not name or "=" in name or unusable(name):
        raise NotStarted(
            f"an environment variable cannot be named {name[:80]!r}", hint="letters, digits and _ always work"
        )
    if why := unusable(f"{name}={value}"):
        raise NotStarted(f"the environment variable {name} {why}")
