"""One git command through GitPython: an argument list, a whole environment, a deadline, masked lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from git.cmd import Git

from windmill.projects.bounded import MAX_BYTES, Answer, finish, limited
from windmill.projects.source import Remote, hardened_environment, masked

LOCAL_TIMEOUT: Final = 120.0  # seconds for a command that asks no server
_OUTPUT: Final = 64 << 20


class Commands:
    """Runs git on one bare repository, in the hardened environment and nothing else of ours.

    Every line git writes for people goes to `say`, without credentials.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.directory = directory
        self.environ = environ
        self._say = say

    def run(
        self,
        *arguments: str,
        remote: Remote | None = None,
        timeout: float = LOCAL_TIMEOUT,
        limit: int = _OUTPUT,
        max_bytes: int = MAX_BYTES,
        extra: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> Answer:
        """Return how `git ARGUMENTS` ended; its whole process group is gone then.

        `extra` is added to the environment, `max_bytes` limits each file it writes, `quiet` keeps its errors from
        `say`.
        """
        environment = {**hardened_environment(self.environ, remote), **(extra or {})}
        # GitPython adds its own process's environment to the one it is given; the names of what must not come along
        # are no secrets, so they can be arguments.
        foreign = [part for name in os.environ if name not in environment for part in ("-u", name)]
        command = ["env", *foreign, "git", f"--git-dir={self.directory}", *arguments]
        process = Git("/").execute(
            limited(command, timeout=timeout + 1, max_bytes=max_bytes),
            as_process=True,
            env=environment,
            start_new_session=True,
        )
        child = process.proc
        assert child is not None  # noqa: S101 - GitPython's own type allows for a finished one
        on_line = None if quiet else lambda line: self._say(masked(line, remote))
        return finish(child, timeout=timeout, limit=limit, on_line=on_line)
