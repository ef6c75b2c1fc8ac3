"""What the composer asks of the world outside: which code there is, what a text means, and to put it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, NamedTuple, Protocol

from windmill.core.errors import Problem

Path = tuple[str | int, ...]
Record = Callable[[str, str, str], None]  # of a file, the sha256 of what it held ("" for nothing) and of what it gets


class Finding(NamedTuple):
    """A problem, and the key it is about: ("schedule", "cron"), or () for the document as a whole."""

    path: Path
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a file would come to. `key` is project/name where it is known; `words` tell the schedule."""

    findings: tuple[Finding, ...] = ()
    key: str = ""
    words: str = ""
    starts: tuple[datetime, ...] = ()  # the first ones, in the zone of the schedule

    @property
    def valid(self) -> bool:
        """True when the file holds a job that can run."""
        return not any(finding.problem.severity == "error" for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A project. `kind` is directory, file, zip or git; `file` is what lies under projects/, for file and zip."""

    name: str
    kind: str
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What of a project can be an entry point: paths of files, and modules as "-m package"; `more` were left out."""

    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    more: bool = False


class Drafts(Protocol):
    """All of it looks at the home as it is now. What cannot be done is Refused in words, changing nothing."""

    def sources(self) -> list[Source]:
        """Return every project, by name."""

    def listing(self, project: str) -> Listing:
        """Return what of the project can be started; nothing for one that is not there, or not yet."""

    def keys_of(self, text: str) -> tuple[Mapping[str, Any], list[Problem]]:
        """Return the mapping that the YAML text holds, and what is wrong with it."""

    def check(self, content: bytes, name: str, now: datetime) -> Checked:
        """Return what jobs.d/NAME.yaml would mean with that content, in the words of `windmill validate`."""

    def job_file(self, name: str) -> bytes | None:
        """Return what jobs.d/NAME.yaml holds, None where it is not there or no plain file."""

    def place(self, name: str, content: bytes, *, replaces: str, record: Record) -> None:
        """Write jobs.d/NAME.yaml. `replaces` is the sha256 of what it holds now, "" where it must not be there.

        `record` is called when nothing but the write is left to do; what it raises leaves everything as it is.
        """

    def digest_of(self, file: str) -> str:
        """Return the sha256 of a source's file under projects/, "" where there is none."""

    def upload(self, file: str, content: IO[bytes], *, replaces: str, record: Record) -> str:
        """Put a .py or .zip under projects/ once nothing speaks against what it holds; return the project's name.

        `file` is its name as the browser tells it; `replaces` and `record` are as with `place`.
        """
