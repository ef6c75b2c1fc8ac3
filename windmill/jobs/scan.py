"""What the jobs directory holds now: names and stat keys, without opening a file."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from windmill.jobs.strict_yaml import MAX_BYTES

SUFFIXES: Final = (".yaml", ".yml")


class Key(NamedTuple):
    """What changes whenever the file behind a name does."""

    mtime_ns: int
    size: int
    inode: int
    ctime_ns: int


@dataclass(slots=True)
class Scan:
    """Files by path relative to the directory, and what could not be looked at: paths with a reason in words.

    `hidden` lists directories, "" being the one scanned, whose files may exist although they are not listed.
    """

    files: dict[str, Key] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)


def scan(directory: Path) -> Scan:
    """Return all visible *.yaml and *.yml files, in visible sub-directories too; never raises.

    Links to files are followed, links to directories are reported: they could lead round in circles.
    """
    found = Scan()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        try:
            with os.scandir(directory / relative) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _look(entry, f"{relative}/{entry.name}" if relative else entry.name, found, waiting)
        except OSError as error:
            found.unreadable[relative] = f"the directory cannot be read: {reason(error)}"
            found.hidden.append(relative)
    return found


def _look(entry: os.DirEntry[str], relative: str, found: Scan, waiting: list[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        waiting.append(relative)
        return
    if not entry.name.endswith(SUFFIXES):
        if entry.is_symlink() and entry.is_dir():
            found.unreadable[relative] = "links to directories are not followed"
        return
    try:
        status = os.stat(entry.path)  # noqa: PTH116 -- ten thousand times per rescan: a Path each would double it
        relative.encode()
    except OSError as error:
        if not (error.errno == errno.ENOENT and not entry.is_symlink()):
            found.unreadable[relative] = f"the file cannot be read: {reason(error)}"
    except UnicodeEncodeError:
        found.unreadable[relative] = "the file's name is not UTF-8"
    else:
        if stat.S_ISREG(status.st_mode):
            found.files[relative] = Key(status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
        else:
            found.unreadable[relative] = "not a regular file"


def content_of(path: Path) -> bytes:
    """Return the file's bytes, at most one more than a job file may have. Raises OSError."""
    # A pipe that took the file's place since it was looked at must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(MAX_BYTES + 1)


def reason(error: OSError) -> str:
    """Return the system's words for an error."""
    return error.strerror or type(error).__name__
