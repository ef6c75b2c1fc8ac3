"""What keeps a mirror small and whole: few packs, and nothing of those who were killed at work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from windmill.core.errors import WindmillError
from windmill.projects.bounded import MAX_BYTES
from windmill.projects.git_command import LOCAL_TIMEOUT, Commands
from windmill.projects.git_trouble import trouble

MANY: Final = 30  # packs
_LEFTOVERS: Final = (
    "*.lock",
    "windmill.index*",
    "refs/**/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/pack/*.lock",
    "objects/pack/*.keep",
)


def clean(mirror: Path) -> None:
    """Take away what a killed fetch, export or repacking left in the mirror; nothing is at work there."""
    for file in (file for left in _LEFTOVERS for file in mirror.glob(left)):
        file.unlink(missing_ok=True)


def repack(git: Commands) -> WindmillError | None:
    """Make one pack of more than MANY, within two minutes; return why that failed, and then they stay.

    Everything stays, reached by a ref or not: reruns and suspects ask for commits that were forced away. Where the
    disk lacks room for a second copy, nothing happens.
    """
    packs = [pack.stat().st_size for pack in git.directory.glob("objects/pack/*.pack")]
    size = sum(packs)
    if len(packs) <= MANY or shutil.disk_usage(git.directory).free < 2 * size:
        return None
    options = ("-a", "-d", "--keep-unreachable", "--no-write-bitmap-index", "-q")
    answer = git.run("repack", *options, timeout=LOCAL_TIMEOUT, max_bytes=max(MAX_BYTES, 2 * size), quiet=True)
    if answer.code == 0:
        return None
    clean(git.directory)
    return trouble(answer, git.directory)
