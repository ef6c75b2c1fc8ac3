"""`validate` and `problems`: what is wrong in the files, with the place and the way to mend it."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import rich_click as click

from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean_lines, count
from windmill.core.documents import Document
from windmill.core.errors import Problem


@click.command(cls=Verb)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print them.")
@click.pass_obj
def validate(session: Session, paths: tuple[Path, ...], form: str) -> int:
    """Check job files and say everything that is wrong in them, at once.

    Examples:
        windmill validate                      all files of the home
        windmill validate jobs.d/nightly.yaml  one file, as before a commit
        windmill validate --format json        for programs

    Each problem is file:line:column, what was expected, what was found, and how to mend it. Keys that are understood
    but do not act yet are listed, and are no problem. Exit status 3 when there is a problem, warnings included.
    """
    session.json = session.json or form == "json"
    catalog = session.catalog
    wanted = {_real(path) for path in paths}

    def asked(file: str) -> bool:
        place = _real(session.home.root / file)
        return not wanted or any(place.is_relative_to(path) for path in wanted)

    found = as_facts(problem for problem in catalog.problems if asked(problem.file))
    jobs = [job for job in catalog.jobs.values() if asked(job.file)]
    inactive = {job.key: list(job.inactive) for job in jobs if job.inactive}
    if session.json:
        session.print_json({"jobs": [job.key for job in jobs], "problems": found, "inactive": inactive})
    else:
        print_problems(found)
        for key, names in inactive.items():
            session.say(f"{key}: not active yet: {', '.join(names)}")
        session.say(f"{count(len(jobs), 'job')}, {count(len(found), 'problem')}")
    return Exit.PROBLEMS if found else Exit.OK


@click.command(cls=Verb)
@click.pass_obj
def problems(session: Session) -> int:
    """List the problems of the files as the scheduler, if any, sees them.

    Examples:
        windmill problems
        windmill problems --json

    A broken file does not stop what ran before: its last good version stays in effect. Exit status 3 if there
    are any.
    """
    seen = session.store.status("catalog") if session.scheduler_alive else None
    found: list[Document] = seen["problems"] if seen else as_facts(session.catalog.problems)
    if session.json:
        session.print_json(found)
    else:
        print_problems(found)
    if not found:
        session.say("no problems")
    return Exit.PROBLEMS if found else Exit.OK


def as_facts(found: Iterable[Problem]) -> list[Document]:
    """Return the problems as documents."""
    return [dataclasses.asdict(problem) for problem in found]


def print_problems(found: list[Document]) -> None:
    """Print each problem in the words of `Problem`; warnings say that they are."""
    for facts in found:
        problem = Problem(**facts)
        mark = "warning: " if problem.severity == "warning" else ""
        sys.stdout.write(clean_lines(f"{mark}{problem}") + "\n")


def _real(path: Path) -> Path:
    """Return where the path leads; unlike Path.resolve, also for links that lead in a circle."""
    return Path(os.path.realpath(path))
