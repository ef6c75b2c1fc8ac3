"""What a reader finds in a file of another scheduler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_MAX: Final = 60
_TELLING: Final = re.compile(r"([A-Za-z0-9_-]+)\.(?:py|sh|pl|rb|php|jar|R)\b")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SILENT: Final = frozenset(
    {"cd", "sh", "bash", "python", "python3", "env", "nice", "ionice", "flock", "exec", "sudo"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One job: the keys of its file, the shell script that is its entry point, and what is not as it was.

    `line` is 0 where a format has no lines worth naming.
    """

    line: int
    name: str
    keys: Mapping[str, Any]  # without name, project and entry_point
    script: str
    comments: tuple[str, ...] = ()  # of the file, kept above the keys; each with its #
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be turned: the line it stands in, its text, and why."""

    line: int
    text: str
    why: str


@dataclass(slots=True)
class Reading:
    """Everything a file holds."""

    found: list[Found] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


class Names:
    """Gives every job of a file a name of its own."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def of(self, text: str) -> str:
        """Return the text as a job's name; a second one of that name gets a number."""
        name = _UNFIT.sub("-", text).strip("-._")[:_NAME_MAX] or "job"
        number = self._given[name] = self._given.get(name, 0) + 1
        return name if number == 1 else self.of(f"{name}-{number}")


def telling(command: str) -> str:
    """Return what a command is best called by: the script it runs, else its first word that says something."""
    if scripts := _TELLING.findall(command):
        return str(scripts[0])
    words = [word.rpartition("/")[2] for word in command.split()]
    return next((word for word in words if _WORD.fullmatch(word) and word not in _SILENT), "job")


def shell_script(command: str, *, origin: str, shell: str = "/bin/sh", directory: str = "", stdin: str = "") -> str:
    """Return a script that does what `command` did: in `directory` where one is named, reading `stdin`."""
    lines = [f"#!{shell}", f"# {origin}"]
    if directory:
        lines.append(f"cd {directory} || exit")
    if stdin:
        end = "INPUT"
        while end in stdin.splitlines():
            end += "_"
        lines += ["{", command, f"}} <<'{end}'", stdin.removesuffix("\n"), end]
    else:
        lines.append(command)
    return "\n".join(lines) + "\n"
