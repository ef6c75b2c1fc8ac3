"""What a path inside a project may look like, as text; whether links lead out is judged where files are."""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH: Final = 1024
_MODULE: Final = re.compile(r"-m [A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def is_module(entry_point: str) -> bool:
    """Return True for the form that runs a module: "-m package.module"."""
    return _MODULE.fullmatch(entry_point) is not None


def mistake_in(relative: str) -> str:
    """Return why `relative` cannot name something inside a project, in words after "the path"; "" when it can."""
    checks = (
        (not relative.strip(), "is empty"),
        (len(relative) > MAX_LENGTH, f"is longer than {MAX_LENGTH} characters"),
        (_CONTROL.search(relative) is not None, "contains a control character"),
        ("\\" in relative, "contains a backslash"),
        (relative.startswith("/"), "is absolute"),
        (relative.startswith("~"), "starts with ~"),
        (relative.startswith("-"), "starts with -"),
        (relative != relative.strip(), "starts or ends with a space"),
        (".." in relative.split("/"), 'contains ".."'),
    )
    return next((mistake for wrong, mistake in checks if wrong), "")
