"""A private copy of what an installer reads: what was digested is what is installed, and nothing else is seen."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.projects import lockfiles
from windmill.projects.reader import MAX_BYTES
from windmill.projects.requirements import Requirements, find

LINES: Final = ".windmill-requirements.txt"


def stage(requirements: Requirements, root: Path, into: Path) -> None:
    """Copy the files of the requirements from `root` into the new directory. Raises Refused when they changed."""
    into.mkdir(parents=True, mode=0o700)
    # installers look for settings upwards from where they are; an empty file ends that here
    (into / "uv.toml").touch()
    for name in requirements.files:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (root / name).open("rb") as file:
                target.write_bytes(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None
    found = find(into)
    if found is None or found.digest != requirements.digest:
        raise Refused("the requirements changed while they were read", hint="try again")
    _put_before_installer(requirements.kind, into)


def _put_before_installer(kind: str, directory: Path) -> None:
    if kind == "Pipfile.lock":
        lock = json.loads((directory / kind).read_text(encoding="utf-8-sig"))
        (directory / LINES).write_text("\n".join(lockfiles.pipfile_lines(lock)) + "\n")
    elif kind in ("uv.lock", lockfiles.PYPROJECT):
        parsed = tomllib.loads((directory / lockfiles.PYPROJECT).read_text(encoding="utf-8-sig"))
        (directory / LINES).write_text("\n".join(lockfiles.dependencies(parsed)) + "\n")
        (directory / lockfiles.PYPROJECT).write_text(lockfiles.needs_text(parsed))


def installation(requirements: Requirements, directory: Path, python: str, *, allow_builds: bool) -> list[str]:
    """Return the arguments for uv that install the staged requirements into the environment of `python`.

    Only wheels, unless builds are allowed; copies, since a link would share a file with every other environment.
    """
    common = ["--link-mode", "copy", "--compile-bytecode", "--no-python-downloads", "--python", python]
    common += [] if allow_builds else ["--no-build"]
    if requirements.kind == "uv.lock":
        return ["sync", "--frozen", "--no-default-groups", "--no-install-workspace", *common]
    name = requirements.kind
    if requirements.kind in ("Pipfile.lock", lockfiles.PYPROJECT):
        name = LINES
    given = any("--hash" in (directory / file).read_text(errors="replace") for file in _texts(requirements, name))
    return ["pip", "install", *common, *(["--require-hashes"] if given else []), "-r", name]


def _texts(requirements: Requirements, name: str) -> set[str]:
    """Return the files in which hashes may stand; one that gives a hash asks for all of them, as with pip."""
    return {name, *(file for file in requirements.files if not file.endswith(".whl"))}
