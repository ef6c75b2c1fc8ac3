"""The revisions of a project on disk: immutable directories, published by rename, collected when unused."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

VARIABLE: Final = "WINDMILL_REVISION_ROOT"
_YOUNG: Final = timedelta(hours=1)
_KEY: Final = re.compile(r"[0-9a-f]{7,64}")
_TEMPORARY: Final = ".tmp-"
_TRASH: Final = ".trash-"
_LONGEST: Final = 2 << 20  # bytes of a process's environment or command line that are looked at
_SYNC_TIMEOUT: Final = 120.0  # seconds
_AT_ONCE: Final = 100  # files that are removed without a pause
_PAUSE: Final = 0.02  # seconds


class Revisions:
    """The revisions of `project` under `state`/revisions, each a directory named by its key.

    No file and directory of a revision can be written by its owner either, so that no job changes the code of
    another execution by accident. Root is not held by that, and an owner can give itself the right again.
    """

    def __init__(self, state: Path, project: str) -> None:
        self._directory = state.absolute() / "revisions" / project
        self._compiled = state.absolute() / "pycache" / project

    def path(self, key: str) -> Path:
        """Return where the revision lies, or would."""
        if not is_key(key):
            raise ValueError(f"no key of a revision: {key!r}")
        return self._directory / key

    def compiled(self, key: str) -> Path:
        """Return where Python keeps what it compiled of the revision; "" stands for code that is used in place."""
        return self._compiled / key

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Give an empty directory to make a revision in; removed at the end if it is not published by then.

        It is locked as long as its maker lives: what a killed maker leaves is collected, what a living one fills not.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._directory))
        lock = _locked(directory)
        try:
            yield directory
        finally:
            if directory.exists():
                _remove(directory)
            if lock is not None:
                os.close(lock)

    def publish(self, temporary: Path, key: str) -> Path:
        """Make the directory the revision `key`, durably and at once, and return its place.

        A revision that is published already stays as it is, and counts as young again.
        """
        place = self.path(key)
        if not place.is_dir():
            _protect(temporary)
            # One pass over the file system before the name appears: cheaper than a sync of each of 10,000 files.
            subprocess.run(["sync", "-f", str(temporary)], check=True, timeout=_SYNC_TIMEOUT)  # noqa: S607
            temporary.rename(place)
        _sync(self._directory)  # its maker may have been killed before this
        os.utime(place)
        return place

    def keep(self, key: str) -> None:
        """Let the revision count as young, so that it is there when something starts from it shortly."""
        with suppress(OSError):
            os.utime(self.path(key))

    def collect(self, keep: set[str], *, now: datetime, in_use: set[str]) -> list[str]:
        """Remove the revisions that nothing needs, and the leftovers of dead makers; return the keys removed.

        A revision stays if it is in `keep` or `in_use` (see the method of that name), or if it was published within
        the hour before `now`. Its document <key>.json goes with it. What cannot be removed is tried again next time.
        """
        removed = []
        for entry in self._entries():
            if entry.name.startswith(_TRASH) or (entry.name.startswith(_TEMPORARY) and _abandoned(entry)):
                _remove(entry)
            elif _KEY.fullmatch(entry.name) and entry.name not in keep | in_use and _old(entry, now):
                with suppress(OSError):
                    self._discard(entry)
                    removed.append(entry.name)
        return removed

    def in_use(self) -> set[str]:
        """Return the keys of the revisions that a living process carries.

        It does so by WINDMILL_REVISION_ROOT in its environment, by its working directory or by its command line.
        """
        places = {os.fsencode(self._directory), os.fsencode(self._directory.resolve())}
        pattern = re.compile(b"(?:" + b"|".join(map(re.escape, places)) + rb")/([0-9a-f]{7,64})(?![^/\0\s:\"'])")
        found: set[str] = set()
        for process in Path("/proc").glob("[0-9]*"):
            for trace in (_environment(process), _working_directory(process), _read(process / "cmdline")):
                found |= {key.decode("ascii") for key in pattern.findall(trace)}
        return found

    def _discard(self, revision: Path) -> None:
        _remove(self.compiled(revision.name))
        trash = revision.with_name(_TRASH + revision.name)
        _remove(trash)
        revision.rename(trash)
        revision.with_name(revision.name + ".json").unlink(missing_ok=True)
        _remove(trash)

    def _entries(self) -> list[Path]:
        try:
            return sorted(entry for entry in self._directory.iterdir() if entry.is_dir() and not entry.is_symlink())
        except FileNotFoundError:
            return []


def is_key(text: str) -> bool:
    """True for what can name a revision's directory."""
    return _KEY.fullmatch(text) is not None


def _environment(process: Path) -> bytes:
    """Return the entry of the process's environment that names its revision."""
    mark = VARIABLE.encode() + b"="
    return b"\0".join(entry for entry in _read(process / "environ").split(b"\0") if entry.startswith(mark))


def _working_directory(process: Path) -> bytes:
    try:
        return os.fsencode((process / "cwd").readlink())
    except OSError:
        return b""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError:
        return b""


def _old(directory: Path, now: datetime) -> bool:
    return directory.stat().st_mtime < (now - _YOUNG).timestamp()


def _locked(directory: Path) -> int | None:
    """Return a descriptor that locks the directory till it is closed; None when somebody else does."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _abandoned(directory: Path) -> bool:
    lock = _locked(directory)
    if lock is None:
        return False
    os.close(lock)
    return True


def _protect(directory: Path) -> None:
    """Take the right to write from every file and directory in `directory`, and from itself."""
    for parent, _, files in os.walk(directory):
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555)
        Path(parent).chmod(0o500)


def _remove(directory: Path) -> None:
    """Remove the directory with everything in it, protected or not; what cannot be removed stays."""
    for parent, _, _ in os.walk(directory):
        with suppress(OSError):
            Path(parent).chmod(0o700)
    removed = 0
    for parent, folders, files in os.walk(directory, topdown=False):
        for name in (*files, *folders):
            path = Path(parent, name)
            with suppress(OSError):
                path.rmdir() if name in folders and not path.is_symlink() else path.unlink()
            removed += 1
            if removed % _AT_ONCE == 0:  # so that others who write to this disk never wait for all of it
                time.sleep(_PAUSE)
    with suppress(OSError):
        directory.rmdir()


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
