"""The last good version of every job file, kept under the state directory so that it survives a restart."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from windmill.jobs.strict_yaml import MAX_BYTES


class LastGood:
    """Copies of files by their path relative to the jobs directory, in the same tree below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def paths(self) -> list[str]:
        """Return the relative paths of all copies, sorted; none when nothing can be read."""
        found = []
        for directory, _, names in os.walk(self._directory):
            base = Path(directory).relative_to(self._directory)
            found += [str(base / name) for name in names if not name.startswith(".")]
        return sorted(found)

    def read(self, relative: str) -> bytes:
        """Return the copy's bytes, empty when there is none."""
        try:
            with (self._directory / relative).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError:
            return b""

    def write(self, relative: str, content: bytes) -> None:
        """Replace the copy at once by the content; readable by nobody else. Raises OSError."""
        target = self._directory / relative
        temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            temporary.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    def forget(self, relative: str) -> None:
        """Delete the copy and the directories it leaves empty; what cannot be deleted stays."""
        target = self._directory / relative
        with contextlib.suppress(OSError):
            target.unlink()
            for parent in target.parents:
                if parent == self._directory:
                    break
                parent.rmdir()
