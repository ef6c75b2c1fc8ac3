"""Crontabs: every entry becomes a job whose entry point is a shell script with the entry's command.

The rules are those of Debian's crontab(5): environment lines hold for the entries below them, the first `%` that is
not escaped ends the command and begins its input, further ones are line ends, and commands start in $HOME.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from windmill.app.migration.model import Found, Left, Names, Reading, shell_script, telling

SPECIAL: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_SETTING: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z_]\w*))\s*=\s*(.*?)\s*""")
_FIELDS: Final = 5
_NOT_SETTINGS: Final = frozenset({"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "RANDOM_DELAY"})


@dataclass(slots=True)
class _Above:
    """What the lines above an entry say."""

    env: dict[str, str] = field(default_factory=dict)
    timezone: str = ""
    comments: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)  # comments that stand directly above

    def spend(self) -> tuple[tuple[str, ...], str]:
        """Return the comments, and what of them describes the next entry; each is spent once."""
        comments, words = tuple(self.comments), "\n".join(line.lstrip("#").strip() for line in self.block).strip()
        self.comments, self.block = [], []
        return comments, words


def read(text: str, *, users: bool) -> Reading:
    """Return the jobs of a crontab; with `users` a user's name stands before each command, as in /etc/crontab."""
    reading, above, names = Reading(), _Above(), Names()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            above.comments += above.block
            above.block = []
        elif stripped.startswith("#"):
            above.block.append(stripped)
        elif setting := _SETTING.fullmatch(line):
            reading.left += _set(above, setting, number, stripped)
        else:
            _entry(reading, above, names, stripped, number, users=users)
    comments, words = above.spend()
    rest = (*comments, *(f"# {line}" for line in words.splitlines()))
    if rest and reading.found:
        last = reading.found[-1]
        reading.found[-1] = replace(last, comments=last.comments + rest)
    return reading


def _set(above: _Above, setting: re.Match[str], number: int, text: str) -> Iterator[Left]:
    above.comments += above.block
    above.block = []
    name, value = next(filter(None, setting.groups()[:3]), ""), _unquoted(setting[4])
    if name == "CRON_TZ":
        above.timezone = value
    elif name in _NOT_SETTINGS:
        if value:
            what = "notify: tells people, and output is kept" if name == "MAILTO" else "nothing here is like it"
            yield Left(number, text, what)
    else:
        above.env[name] = value


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _entry(reading: Reading, above: _Above, names: Names, line: str, number: int, *, users: bool) -> None:
    cron, rest = _schedule(line)
    user, command = (*rest.split(None, 1), "", "")[:2] if users else ("", rest)
    shell = above.env.get("SHELL", "/bin/sh")
    why = _why_not(line, cron, command.strip(), shell)
    if why:
        reading.left.append(Left(number, line, why))
        return
    comments, words = above.spend()
    command, stdin = _split(command.strip())
    keys: dict[str, Any] = {"description": words} if words else {}
    keys["schedule"] = {"cron": cron, "timezone": above.timezone} if above.timezone else cron
    if env := {name: value for name, value in above.env.items() if name != "SHELL"}:
        keys["env"] = env
    reading.found.append(
        Found(
            line=number,
            name=names.of(telling(command)),
            keys=keys,
            script=shell_script(
                command, origin=f"line {number}: {cron}", shell=shell, directory='"$HOME"', stdin=stdin
            ),
            comments=comments,
            remarks=(f"ran as {user}, and runs as WindMill's user now",) if user else (),
        )
    )


def _schedule(line: str) -> tuple[str, str]:
    """Return the five fields, "" for what has none, and the rest of the line."""
    if line.startswith("@"):
        word, *rest = line.split(None, 1)
        return SPECIAL.get(word.lower(), ""), "".join(rest)
    parts = line.split(None, _FIELDS)
    return (" ".join(parts[:_FIELDS]), parts[_FIELDS]) if len(parts) > _FIELDS else ("", "")


def _why_not(line: str, cron: str, command: str, shell: str) -> str:
    if line.lower().startswith("@reboot"):
        return "@reboot has no time: WindMill starts nothing because a machine starts"
    if not cron or not command:
        return "not an entry: five fields or an @word, then a command"
    if shell.rpartition("/")[2] not in SHELLS or not shell.startswith("/"):
        return f"SHELL={shell} is not one of the known shells by its whole path"
    return ""


def _split(text: str) -> tuple[str, str]:
    """Return the command and its input."""
    parts = [part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", text)]
    return parts[0].rstrip(), "\n".join(parts[1:]) + "\n" if len(parts) > 1 else ""
