"""Jobs that were found elsewhere become files of a home: a job file and a script for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from windmill.app.home import Home
from windmill.app.migration.model import Found, Left
from windmill.core.errors import WindmillError
from windmill.jobs.spec import job_from_document

MODELINE: Final = "# yaml-language-server: $schema=../.windmill/job.schema.json"


@dataclass(slots=True)
class Placed:
    """What became of the jobs: the files by job, and those left out."""

    files: dict[str, tuple[Found, Path, Path]] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)


def place(home: Home, found: Iterable[Found], *, project: str, write: bool) -> Placed:
    """Write jobs.d/NAME.yaml and projects/PROJECT/NAME.sh for every job that a home would take, and return them.

    Nothing that is there is overwritten. Without `write` nothing is written, and the answer is the same.
    """
    placed = Placed()
    for one in found:
        document = {"name": one.name, "project": project, "entry_point": f"{one.name}.sh", **one.keys}
        path = home.root / "jobs.d" / f"{one.name}.yaml"
        script = home.root / "projects" / project / f"{one.name}.sh"
        if why := _why_not(home, document, path, script):
            placed.left.append(Left(one.line, one.name, why))
            continue
        if write:
            _write(script, one.script, mode=0o755)  # the job only when what it runs is there
            _write(path, job_file(one, document), mode=0o644)
        placed.files[one.name] = (one, path, script)
    return placed


def job_file(found: Found, document: dict[str, Any]) -> str:
    """Return the text of the job's file."""
    text = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join([MODELINE, *found.comments, text])


def _why_not(home: Home, document: dict[str, Any], path: Path, script: Path) -> str:
    for file in (path, script):
        if file.exists() or file.is_symlink():
            return f"{home.shown(file)} is there already"
    try:
        job_from_document(
            document | {"entry_point": "-m job"},  # the script is not there yet
            file=home.shown(path),
            stem=path.stem,
            timezone=home.settings.timezone,
            defaults={},
            projects={document["project"]: home.root},
        )
    except WindmillError as error:
        return error.message
    return ""


def _write(path: Path, text: str, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.rename(path)


class _Plain(yaml.SafeDumper):
    """Writes texts of several lines as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)
