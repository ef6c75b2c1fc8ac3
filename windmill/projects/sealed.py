"""Directories that nobody changes: without write permission, and with a marker that tells when somebody did."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

MARKER: Final = "windmill.json"
_LIMIT: Final = 1 << 20  # bytes of a marker that are read
_WRITE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def seal(directory: Path, facts: Mapping[str, Any]) -> None:
    """Take write permission from everything below the directory and write its marker, last. Raises OSError."""
    for path, status in _entries(directory):
        if not stat.S_ISLNK(status.st_mode):
            path.chmod(stat.S_IMODE(status.st_mode) & ~_WRITE)
    document = {**facts, "sealed": _fingerprint(directory)}
    with (directory / MARKER).open("x") as file:
        json.dump(document, file)
        file.flush()
        os.fchmod(file.fileno(), 0o400)
        os.fsync(file.fileno())
    directory.chmod(0o500)


def facts(directory: Path) -> dict[str, Any] | None:
    """Return what the marker says, None when there is none: the directory was never finished."""
    try:
        with (directory / MARKER).open("rb") as file:
            found = json.loads(file.read(_LIMIT))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def intact(directory: Path) -> bool:
    """Return True when the directory is ours, sealed, and nobody has touched a file since.

    Looks at names, sizes and times only. The time of the last change of an inode cannot be set back.
    """
    found = facts(directory)
    try:
        owned = directory.lstat().st_uid == os.geteuid()
        return owned and found is not None and found.get("sealed") == _fingerprint(directory)
    except OSError:
        return False


def size(directory: Path) -> int:
    """Return the bytes that the files take; a file that vanishes meanwhile does not count."""
    try:
        return sum(status.st_size for _, status in _entries(directory))
    except OSError:
        return 0


def remove(directory: Path) -> None:
    """Remove the directory with everything in it, write permission or not. Raises OSError."""
    if directory.is_symlink() or not directory.is_dir():
        directory.unlink(missing_ok=True)
        return
    directory.chmod(0o700)
    for path, status in _entries(directory):
        if stat.S_ISDIR(status.st_mode):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o700)
    shutil.rmtree(directory)


def _fingerprint(directory: Path) -> str:
    digest = hashlib.sha256()
    for path, status in _entries(directory):
        times = (0, 0) if stat.S_ISDIR(status.st_mode) else (status.st_mtime_ns, status.st_ctime_ns)
        size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
        digest.update(f"{path.relative_to(directory)}\0{status.st_mode}\0{size}\0{times}\n".encode(errors="replace"))
    return digest.hexdigest()


def _entries(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything below the directory but its marker, parents first, in a fixed order; links not followed."""
    with os.scandir(directory) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        path = Path(entry.path)
        if path.name == MARKER:
            continue
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(path)
