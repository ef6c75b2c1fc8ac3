"""One build of an environment: uv's steps in order, within one deadline."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused, Unavailable
from windmill.projects.installer import Ended, run
from windmill.projects.requirements import Requirements
from windmill.projects.staging import installation

FINAL: Final = ("hash mismatch",)  # asking an index would not help
_UNREACHABLE: Final = re.compile(
    r"error sending request|failed to fetch|dns error|connection (refused|reset)|timed? ?out|status server error",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build under way. `deadline` is of the monotonic clock; `lock` a descriptor that every child inherits."""

    uv: str
    lock: int
    say: Callable[[str], None]
    deadline: float
    env: Mapping[str, str]

    def make(self, directory: Path, python: str, *, cwd: Path) -> None:
        """Make an empty environment at `directory`, which may be moved afterwards. Raises Refused."""
        argv = ["venv", "--relocatable", "--no-project", "--no-python-downloads", "--python", python]
        self._check(self._uv([*argv, "--", str(directory.absolute())], cwd, self.say), "could not be made")

    def install(
        self, requirements: Requirements, directory: Path, *, cwd: Path, offline_first: bool, allow_builds: bool
    ) -> None:
        """Install the requirements staged in `cwd` into the environment at `directory`.

        Raises Refused, and Unavailable where only an index that did not answer is to blame.
        """
        python = str(directory.absolute() / "bin" / "python")
        argv = installation(requirements, cwd, python, allow_builds=allow_builds)
        if self.env.get("UV_NO_INDEX"):
            argv.append("--no-index")  # uv knows this one from its arguments only
        env = {"UV_PROJECT_ENVIRONMENT": str(directory.absolute())}
        if offline_first or self.env.get("UV_OFFLINE"):
            lines: list[str] = []
            ended = self._uv([*argv, "--offline"], cwd, lines.append, env)
            wrong = any(word in line.lower() for line in ended.tail for word in FINAL)
            if ended.code == 0 or wrong or self.env.get("UV_OFFLINE"):
                for line in lines:
                    self.say(line)
                return self._check(ended, "could not be built offline")
            self.say("not everything is cached: asking the index")
        return self._check(self._uv(argv, cwd, self.say, env), "could not be built")

    def _uv(
        self, argv: list[str], cwd: Path, say: Callable[[str], None], env: Mapping[str, str] | None = None
    ) -> Ended:
        seconds = self.deadline - time.monotonic()
        return run(
            [self.uv, *argv],
            cwd=cwd,
            env={**self.env, **(env or {})},
            say=say,
            seconds=seconds,
            keep_open=[self.lock],
        )

    def _check(self, ended: Ended, what: str) -> None:
        if ended.code == 0:
            return
        why = "its time was up" if ended.code is None else f"uv ended with {ended.code}"
        said = "".join(f"\n    {line}" for line in ended.tail)
        if _UNREACHABLE.search("\n".join(ended.tail)):
            raise Unavailable(f"the environment {what}: {why}{said}", hint="it is tried again by itself")
        raise Refused(f"the environment {what}: {why}{said}", hint=_hint(ended))


def _hint(ended: Ended) -> str:
    text = "\n".join(ended.tail).lower()
    hints = {
        "hash mismatch": "the file of the index is not the one that was locked: find out why before locking again",
        "--no-build": "only wheels are installed unless builds are allowed: name versions that have a wheel",
        "building source distributions is disabled": "name versions that have a wheel for this Python",
        "no usable wheels": "name versions that have a wheel for this Python",
        "no solution found": "correct the requirements; the lines above say which of them contradict",
        "--require-hashes": "give every requirement its hash, or none",
    }
    default = "when an index could not be reached, try again; otherwise correct the requirements"
    return next((hint for words, hint in hints.items() if words in text), default)
