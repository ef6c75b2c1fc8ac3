"""A Python traceback in one line: which exception, and where in the project it came from. Pure.

The source of the format is `traceback.TracebackException.format`; chained exceptions end with the one that counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LOOKED_AT: Final = 64 << 10  # characters at the end of the output
MESSAGE_MAX: Final = 300  # characters of the exception's line
CODE_MAX: Final = 20  # lines of code and marks between two frames

_BEGIN: Final = re.compile(r"^(?: *[+|] *)?(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_FRAME: Final = re.compile(
    r'^\s+File "(?P<file>[^"\n]{1,1000})", line (?P<line>\d{1,9})(?:, in (?P<function>.{1,200}))?\s*$'
)
_EXCEPTION: Final = re.compile(r"^[^\W\d][\w.]*(?:: .*|:)?$")
_GROUP: Final = re.compile(r"^ *[+|] ?")
# Code that is not the project's: Python's own, and what was installed for it.
_FOREIGN: Final = re.compile(r"(?:^|/)(?:site|dist)-packages/|/lib/python\d|^<(?!string>|stdin>)")
# Where WindMill keeps the code of projects: a revision of its own, or the directory in the home.
_ROOTS: Final = (
    re.compile(r"^.*/\.windmill/revisions/[^/]+/[^/]+/"),
    re.compile(r"^.*?/projects/[^/]+/(?=.)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What ended a program: `error` as Python prints it in one line, and the frame of the project nearest to it.

    `file` is relative to the project where that is known, "" where no frame is the project's; `line` is then 0.
    """

    error: str
    file: str = ""
    line: int = 0
    function: str = ""

    @property
    def place(self) -> str:
        """file:line, "" where it is not known."""
        return f"{self.file}:{self.line}" if self.file else ""


def fault(output: str) -> Fault | None:
    """Return what the last traceback of the output tells, None where there is none that is whole."""
    written = output[-LOOKED_AT:].splitlines()
    lines = [_GROUP.sub("", line).rstrip() for line in written]
    for start in reversed([number for number, line in enumerate(written) if _BEGIN.match(line)]):
        if found := _folded(lines[start + 1 :]):
            return found
    return None


def _folded(lines: list[str]) -> Fault | None:
    """Return the fault of a traceback from its first frame on."""
    frames: list[re.Match[str]] = []
    since = 0  # lines after the last frame
    for line in lines:
        if frame := _FRAME.match(line):
            frames.append(frame)
            since = 0
        elif frames and _EXCEPTION.match(line):
            return _told(line, frames)
        elif not line.startswith(" ") or since > CODE_MAX:
            return None
        since += 1
    return None


def _told(error: str, frames: list[re.Match[str]]) -> Fault:
    own = [frame for frame in frames if not _FOREIGN.search(frame["file"])]
    short = error.removesuffix(":")[:MESSAGE_MAX]
    if not own:
        return Fault(error=short)
    last = own[-1]
    return Fault(error=short, file=_inside(last["file"]), line=int(last["line"]), function=last["function"] or "")


def _inside(path: str) -> str:
    for root in _ROOTS:
        if match := root.match(path):
            return path[match.end() :]
    return path
