"""Of what a failed local git command speaks: of the place it writes to, or of the mirror it reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from windmill.core.errors import WindmillError
from windmill.projects.bounded import Answer

_LONGEST: Final = 500  # characters of git's own words
# Git often names the file it cannot write and not why.
_UNWRITABLE: Final = re.compile(
    r"(?!remote:|.*: File exists).*(unable to (write|create)|(cannot|could not|failed to) (write|create|mkdir)"
    r"|write error|diskspace|no space left|read-only file system|quota exceeded|file too large|permission denied)",
    re.IGNORECASE,
)


class Damaged(WindmillError):
    """The mirror itself does not work."""


def trouble(answer: Answer, place: Path) -> WindmillError:
    """Return the error for a failed command that wrote to `place`: Damaged where nothing else explains it."""
    if answer.late:
        return WindmillError("git did not end in time")
    said = _lines(answer) or [f"git ended with {answer.code}"]
    return unwritable(answer, place) or Damaged(said[-1][:_LONGEST])


def unwritable(answer: Answer, place: Path) -> WindmillError | None:
    """Return the error if git said that it cannot write to `place`: the disk's matter, and never the mirror's."""
    telling = [line for line in _lines(answer) if _UNWRITABLE.match(line)]
    return cannot_write(place, telling[-1]) if telling else None


def cannot_write(place: Path, why: str) -> WindmillError:
    """Return the error for a place that cannot be written, with the reason."""
    return WindmillError(f"cannot write to {place}: {why[:_LONGEST]}", hint="is the disk full, or read-only?")


def _lines(answer: Answer) -> list[str]:
    return answer.err.decode(errors="replace").strip().splitlines()
