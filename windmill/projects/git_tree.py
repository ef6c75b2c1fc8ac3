"""What a tree of a commit may hold to be laid out as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from windmill.core.errors import Refused

MAX_FILES: Final = 50_000
MAX_BYTES: Final = 2 << 30
MAX_LISTING: Final = 32 << 20  # bytes of names and facts
_LINK: Final = "120000"
_FILES: Final = frozenset({"100644", "100755", "100664", _LINK})
_SUBMODULE: Final = "160000"


class Tree(NamedTuple):
    """What a tree holds: files, bytes, where its symbolic links are, and how many submodules are left out."""

    files: int
    size: int
    links: tuple[str, ...]
    submodules: int


def judge(listing: bytes) -> Tree:
    """Return what the answer of `git ls-tree -r -l -z` lists; one beyond MAX_LISTING may be torn.

    Raises Refused naming the entry when it is more than 50,000 files or 2 GiB, or no path or kind of file for here.
    """
    files = size = submodules = 0
    whole = len(listing) <= MAX_LISTING
    listing = listing if whole else listing[: listing.rindex(b"\0")]
    shown, links = "", []
    for mode, length, name in _entries(listing):
        shown = name[:200]
        if mode == _SUBMODULE:
            submodules += 1
            continue
        if mode not in _FILES:
            raise Refused(f"the commit holds {shown!r} of the unknown kind {mode}")
        if any(part in {"", ".", ".."} or part.lower() == ".git" for part in name.split("/")):
            raise Refused(f"the commit holds the path {shown!r}, which is none inside a project")
        files, size = files + 1, size + length
        if files > MAX_FILES or size > MAX_BYTES:
            raise _too_much(shown)
        if mode == _LINK:
            links.append(name)
    if not whole:
        raise _too_much(shown)
    return Tree(files, size, tuple(links), submodules)


def _too_much(name: str) -> Refused:
    return Refused(
        f"the commit holds more than {MAX_FILES:,} files or {MAX_BYTES >> 30} GiB, counted up to {name!r}",
        hint="name the sub-directory the jobs need by `path`",
    )


def check_links(root: Path, links: tuple[str, ...]) -> None:
    """Raise Refused for the first of these symbolic links below `root` that is absolute or leads out of it."""
    top = os.path.realpath(root)
    for link in links:
        path = root / link
        target = os.readlink(path)  # noqa: PTH115 - the text itself, not a path made of it
        real = os.path.realpath(path)
        if target.startswith("/") or (real != top and not real.startswith(top + "/")):
            raise Refused(
                f"the symbolic link {link[:200]!r} leads out of the project, to {target[:200]!r}",
                hint="link to files of the same project only, or copy them",
            )


def _entries(listing: bytes) -> Iterator[tuple[str, int, str]]:
    """Yield mode, size in bytes and path of each entry."""
    for entry in listing.split(b"\0"):
        if entry:
            facts, _, name = entry.partition(b"\t")
            mode, _, _, size = facts.decode("ascii").split()
            yield mode, int(size) if size.isdigit() else 0, os.fsdecode(name)
