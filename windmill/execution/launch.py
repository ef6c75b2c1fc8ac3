"""From a plan to what is given to the system: argv, environment, working directory; or why not, in words."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windmill.core.ports import Plan
from windmill.execution.environment import NotStarted, build, unusable

__all__ = ["Launch", "NotStarted", "in_words", "prepare"]

_MODULE: Final = re.compile(r"-m\s+([^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_SHEBANG_MAX: Final = 256  # bytes of a script the kernel looks at (BINPRM_BUF_SIZE)
_POINTER: Final = 8  # bytes the kernel counts per argument and variable beside its text


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What starts an execution. `masks` are the secret values that its output must not show."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    masks: tuple[bytes, ...]


def prepare(plan: Plan, *, cookie: str, environ: Mapping[str, str]) -> Launch:
    """Return what starts the plan now, everything found on disk as it is at this moment.

    `environ` gives the basics (PATH, HOME, locale, ...) and nothing else. Raises NotStarted.
    """
    root, mode = _seen(plan.root)
    if not stat.S_ISDIR(mode) and not Path(root).is_dir():
        raise NotStarted(f"the project's directory {plan.root} does not exist")
    command, folder = _command(plan, root)
    cwd = folder if plan.working_dir is None else _working_dir(plan.working_dir, root)
    env, masks = build(plan, cookie=cookie, environ=environ)
    argv = (*command, *plan.args)
    _check_size(argv, env)
    return Launch(argv=argv, env=env, cwd=cwd, masks=masks)


def in_words(error: OSError, argv: Sequence[str], cwd: str) -> str:
    """Return why the system refused to start `argv` in `cwd`, as one sentence."""
    program = argv[0]
    if not Path(cwd).is_dir():
        return f"the working directory {cwd} does not exist"
    if error.errno == errno.EACCES and not os.access(cwd, os.X_OK):
        return f"the working directory {cwd} may not be entered"
    if error.errno == errno.ENOENT and os.access(program, os.F_OK):
        return f"{program} needs an interpreter or loader that does not exist"
    sentence = _SENTENCES.get(error.errno or 0, "{program} could not be started: {strerror}")
    return sentence.format(program=program, strerror=error.strerror or error)


_SENTENCES: Final = {
    errno.ENOENT: "{program} does not exist",
    errno.EACCES: "{program} may not be executed: no permission, or a file system mounted noexec",
    errno.ENOEXEC: "{program} is neither a program for this machine nor a script with a #! line",
    errno.E2BIG: "the arguments and the environment together are larger than the system allows",
    errno.EAGAIN: "the limit of processes is reached (ulimit -u, or the pids limit of the cgroup)",
    errno.EMFILE: "WindMill has too many files open (ulimit -n)",
    errno.ENFILE: "the system has too many files open",
    errno.ENOMEM: "the system has no memory left for a process",
    errno.ETXTBSY: "{program} is still being written",
}


def _command(plan: Plan, root: str) -> tuple[tuple[str, ...], str]:
    """Return how argv begins, and the folder of the entry point."""
    entry = plan.entry_point
    if entry.startswith("-"):
        module = _MODULE.fullmatch(entry.strip())
        if module is None:
            raise NotStarted(f"the entry point {entry!r} is not understood", hint='write "-m package" or name a file')
        return (_interpreter(plan.python), "-m", module[1]), root
    path, mode = _inside(root, entry, "entry point")
    if stat.S_ISDIR(mode):
        raise NotStarted(f"the entry point {path} is a directory", hint='name a file in it, or write "-m package"')
    if not stat.S_ISREG(mode):
        raise NotStarted(f"the entry point {path} is not a regular file")
    folder, _, name = path.rpartition("/")
    if path.endswith(".py"):
        if not os.access(path, os.R_OK):
            raise NotStarted(f"the entry point {path} may not be read")
        return (_interpreter(plan.python), path), folder or "/"
    if not os.access(path, os.X_OK):
        raise NotStarted(f"the entry point {path} is not executable", hint=f"chmod +x {name}")
    _check_shebang(path)
    return (path,), folder or "/"


def _working_dir(folder: str, root: str) -> str:
    path, mode = _inside(root, folder, "working directory")
    if not stat.S_ISDIR(mode):
        raise NotStarted(f"the working directory {path} is not a directory")
    if not os.access(path, os.X_OK):
        raise NotStarted(f"the working directory {path} may not be entered")
    return path


def _inside(root: str, name: str, what: str) -> tuple[str, int]:
    """Return the path of `name` under `root`, and the mode of what is there.

    Raises NotStarted when it leads out, by ".." or a symbolic link, and when nothing is there.
    """
    if why := unusable(name):
        raise NotStarted(f"the path of the {what} {why}")
    path = os.path.normpath(os.path.join(root, name))  # noqa: PTH118 - asked for at every start
    real, mode = _seen(path)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise NotStarted(f"the {what} {name} leads out of the project's directory {root}")
    return path, mode or _mode(path, what)


def _mode(path: str, what: str) -> int:
    try:
        return Path(path).stat().st_mode
    except FileNotFoundError:
        raise NotStarted(f"the {what} {path} does not exist") from None
    except OSError as error:
        raise NotStarted(f"the {what} {path} cannot be reached: {error.strerror}") from None


def _seen(path: str) -> tuple[str, int]:
    """Return where `path` leads when all links are followed, and the mode of what is there, 0 when that is unknown.

    The kernel follows the links: quicker than `realpath`, which looks at every directory on the way.
    """
    try:
        fd = os.open(path, os.O_PATH)
        try:
            return os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_mode  # noqa: PTH115 - asked for at every start
        finally:
            os.close(fd)
    except OSError:
        return os.path.realpath(path), 0


def _interpreter(python: str) -> str:
    if "/" in python and not os.access(python, os.X_OK):
        what = "may not be executed" if os.access(python, os.F_OK) else "does not exist"
        raise NotStarted(f"the project's Python {python} {what}")
    return python


def _check_shebang(path: str) -> None:
    """Name what is wrong with a script's first line; the system would only say that a file is missing."""
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            start = os.read(fd, _SHEBANG_MAX)
        finally:
            os.close(fd)
    except OSError:
        return  # a program may be executable and unreadable
    if not start.startswith(b"#!"):
        return
    line = start[2:].partition(b"\n")[0]
    if line.endswith(b"\r"):
        raise NotStarted(
            f"the entry point {path} has Windows line endings: its #! line ends in a carriage return",
            hint="save it with LF line endings; .gitattributes: * text eol=lf",
        )
    words = os.fsdecode(line).split()
    if not words:
        raise NotStarted(f"the #! line of the entry point {path} names no interpreter")
    if words[0].startswith("/") and not os.access(words[0], os.X_OK):
        what = "may not be executed" if os.access(words[0], os.F_OK) else "does not exist"
        raise NotStarted(f"the #! line of the entry point {path} names {words[0]}, which {what}")


def _check_size(argv: Sequence[str], env: Mapping[str, str]) -> None:
    for number, argument in enumerate(argv):
        if why := unusable(argument):
            raise NotStarted(f"argument {number} of the command {why}")
    strings = (*argv, *(f"{name}={value}" for name, value in env.items()))
    size = len(os.fsencode("".join(strings))) + (1 + _POINTER) * len(strings)
    if size > (limit := os.sysconf("SC_ARG_MAX")) > 0:
        raise NotStarted(f"the arguments and the environment take {size} bytes, where the system allows {limit}")
