"""Reading the few files that say what a project needs: bounded, inside the project, and remembered by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from windmill.core.errors import Refused, WindmillError
from windmill.projects.layout import inside

MAX_BYTES: Final = 64 << 20  # of all files together, local wheels among them
MAX_FILES: Final = 100


class Reader:
    """Reads files of one project. `digests` tells of each file that was read what of it counts, by path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._left = MAX_BYTES
        self.digests: dict[str, str] = {}

    def read(self, name: str) -> bytes:
        """Return the file's content. Raises Refused."""
        try:
            path = inside(self._root, name)
        except WindmillError as error:
            raise Refused(f"requirements: {error.message}", hint="keep included files inside the project") from None
        if not path.is_file():
            raise Refused(f"{name}, which the requirements name, is not a file of the project")
        try:
            with path.open("rb") as file:
                data = file.read(self._left + 1)
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None
        self._left -= len(data)
        if self._left < 0 or len(self.digests) >= MAX_FILES:
            raise Refused(f"the requirements are larger than {MAX_BYTES >> 20} MiB or {MAX_FILES} files")
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data

    def text(self, name: str) -> str:
        """Return the file's text. Raises Refused."""
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Refused(f"{name} is not UTF-8 text", hint="save it as UTF-8") from None

    def parsed(self, name: str, parse: Callable[[str], Any]) -> dict[str, Any]:
        """Return the mapping that the file holds. Raises Refused."""
        try:
            found = parse(self.text(name))
        except (ValueError, RecursionError) as error:
            raise Refused(f"{name} cannot be understood: {error}") from None
        if not isinstance(found, dict):
            raise Refused(f"{name} holds no mapping")
        return found

    def narrow(self, name: str, content: Any) -> None:
        """Let only this content count for the digest of the file: the rest of it is never given to an installer."""
        self.digests[name] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
