"""The repository as its readers find it: files, tables and commands of its pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NOT_OURS: Final = {".git", ".venv", ".windmill", "__pycache__", "dist", "spool"}
LONGEST: Final = 1 << 20  # bytes; no page or module comes near


def text_files() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file that belongs to the repository."""
    for directory, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in NOT_OURS and not name.endswith("_cache")]
        names[:] = [name for name in names if name not in {".hypothesis"}]
        for file in files:
            path = Path(directory, file)
            if path.stat().st_size < LONGEST:
                yield str(path.relative_to(ROOT)), path.read_text(errors="replace")


def page(name: str) -> str:
    """Return the text of README.md or of a page of the manual."""
    path = ROOT / name if name == "README.md" else ROOT / "windmill" / "docs" / name
    return path.read_text()


def section(text: str, title: str) -> str:
    """Return what stands under the heading `## title`."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """Return the code in the first cell of every table row that begins with code."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def commands(text: str) -> list[str]:
    """Return the lines of the sh blocks."""
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
