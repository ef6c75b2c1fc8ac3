"""What can go wrong, named by the reaction it asks for."""

from __future__ import annotations

from dataclasses import dataclass


class WindmillError(Exception):
    """A mistake or an obstacle a person can read: one sentence, and how to fix it where that is known.

    `str(error)` is the whole message. Never holds a secret. Shown without a traceback.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


class NotFound(WindmillError):
    """Nothing goes by that name; the message lists the nearest ones."""


class Refused(WindmillError):
    """What was asked is understood and not done now: job running, home locked, name ambiguous."""


class Unavailable(WindmillError):
    """The store, runner or socket did not answer; trying again later is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in one file, with the place to look at and the way to mend it.

    `line` and `column` count from 1; 0 means the file as a whole. `severity` is "error" (the document is not
    used) or "warning" (it is used; lint). `job` names the job concerned where it is known, as project/name.
    `excerpt` are the lines of the file from the one before `line` on, without what could be a secret; three at most.
    """

    file: str
    line: int = 0
    column: int = 0
    message: str
    expected: str = ""
    found: str = ""
    hint: str = ""
    severity: str = "error"
    code: str = ""
    job: str = ""
    excerpt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "excerpt", tuple(self.excerpt))  # as documents hold a list

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}"
        if self.expected:
            text += f" (expected {self.expected}" + (f", found {self.found})" if self.found else ")")
        return text + (f"\n  hint: {self.hint}" if self.hint else "")
