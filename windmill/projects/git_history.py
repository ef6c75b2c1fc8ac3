"""The history of a mirror as git tells it: commits, newest first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from windmill.projects.source import is_commit

FORMAT: Final = "--format=%x00%H%x00%an%x00%ae%x00%ct%x00%s"
_FIELDS: Final = 5
_SHOWN: Final = 200  # characters of an author or subject
_MAX_PATHS: Final = 100  # of one commit
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit. `author` is "Name <mail>", `at` when it was committed, `paths` what it touched (at most 100)."""

    sha: str
    author: str
    subject: str
    at: datetime
    paths: tuple[str, ...] = ()


def commits(listing: bytes) -> list[Commit]:
    """Return the commits of `git log -z` in FORMAT: an empty field begins each one."""
    fields = [os.fsdecode(text) for text in listing.split(b"\0")]
    starts = [number for number, text in enumerate(fields[:-1]) if not text and is_commit(fields[number + 1])]
    found = []
    for start, end in pairwise([*starts, len(fields)]):
        head, names = fields[start + 1 : start + 1 + _FIELDS], fields[start + 1 + _FIELDS : end]
        if len(head) == _FIELDS:
            found.append(_commit(head, names))
    return found


def _commit(head: list[str], names: list[str]) -> Commit:
    sha, name, mail, seconds, subject = head
    touched = [text.removeprefix("\n") for text in names[:_MAX_PATHS]]
    return Commit(
        sha=sha,
        author=_line(f"{name} <{mail}>"),
        subject=_line(subject),
        at=_instant(seconds),
        paths=tuple(text for text in touched if text),
    )


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_SHOWN]


def _instant(seconds: str) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return _EPOCH
