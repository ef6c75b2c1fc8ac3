"""`validate` and `problems`: what is wrong in the files, with the place and the way to mend it."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from windmill.app import findings
from windmill.cli.errors import Exit
from windmill.cli.places import place_of
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean_lines, count
from windmill.core.documents import Document
from windmill.core.errors import Problem

if TYPE_CHECKING:
    from windmill.app.checkout import Checkout
    from windmill.core.model import Job


FORMS: Final = ("text", "json", "github", "sarif")


@click.command(cls=Verb)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMS), default="text", help="How to print them.")
@click.option("--project", help="In a jobs repository: its name as a project; default: its directory's name.")
@click.pass_obj
def validate(session: Session, paths: tuple[Path, ...], form: str, project: str | None) -> int:
    """Check job files and say everything that is wrong in them, at once.

    Examples:
        windmill validate                      all files of the home or of the jobs repository
        windmill validate jobs.d/nightly.yaml  one file, as before a commit
        windmill validate --format json        for programs
        windmill validate --format github      annotations of a GitHub workflow
        windmill validate --format sarif       for code scanning

    Each problem is file:line:column, what was expected, what was found, and how to mend it. Keys that are understood
    but do not act yet are listed, and are no problem. A directory with jobs.d/ and no windmill.toml is read as the
    repository of one project: nothing of it is run, and neither a home nor a scheduler is needed. Exit status 3 when
    there is a problem, warnings included.
    """
    checkout = place_of(session, paths, project)
    jobs, found, base = _read(session, checkout)
    wanted = {_real(path) for path in paths}

    def asked(file: str) -> bool:
        place = _real(base / file)
        return not wanted or any(place.is_relative_to(path) for path in wanted)

    found = [problem for problem in found if asked(problem.file)]
    jobs = [job for job in jobs if asked(job.file)]
    _print_findings(session, "json" if session.json else form, jobs, found, base)
    return Exit.PROBLEMS if found else Exit.OK


def _read(session: Session, checkout: Checkout | None) -> tuple[list[Job], list[Problem], Path]:
    """Return the jobs, the problems, and the directory that their files are relative to."""
    if checkout is None:
        catalog = session.catalog
        from windmill.app.channels import mistakes

        wrong = [
            problem for problem in mistakes(session.home.settings, session.environ) if problem not in catalog.problems
        ]
        return list(catalog.jobs.values()), [*catalog.problems, *wrong], session.home.root
    from windmill.app.checkout import validate as validate_checkout

    settled, found = validate_checkout(checkout, session.environ, session.say)
    return list(settled.jobs.values()), found, checkout.top


def _print_findings(session: Session, form: str, jobs: list[Job], found: list[Problem], base: Path) -> None:
    match form:
        case "json":
            session.print_json({"jobs": [job.key for job in jobs], "problems": as_facts(found)})
            return
        case "github":
            for line in findings.github(_in_repository(found, base)):
                print(clean_lines(line))
        case "sarif":
            session.print_json(findings.sarif(_in_repository(found, base)))
        case _:
            print_problems(as_facts(found))
    session.say(f"{count(len(jobs), 'job')}, {count(len(found), 'problem')}")


def _in_repository(found: list[Problem], base: Path) -> list[Problem]:
    """Return the problems with their files relative to the repository around, as its host knows them."""
    from windmill.app.checkout import repository_root

    top = repository_root(base)
    inside = base.relative_to(top) if top else Path()
    return [dataclasses.replace(problem, file=(inside / problem.file).as_posix()) for problem in found]


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
        for line in pointed_at(problem):
            sys.stdout.write(clean_lines(line) + "\n")


def pointed_at(problem: Problem) -> list[str]:
    """Return the lines around the problem with their numbers, and a caret under its column."""
    first = max(problem.line - 1, 1)
    width = len(str(problem.line + 1))
    lines = []
    for number, line in enumerate(problem.excerpt, first):
        text = line.replace("\t", " ")  # one column, as the caret counts them
        lines.append(f"  {number:>{width}} | {text}".rstrip())
        if number == problem.line and problem.column:
            lines.append(f"  {'':{width}} | {' ' * min(problem.column - 1, len(text))}^")
    return lines


def _real(path: Path) -> Path:
    """Return where the path leads; unlike Path.resolve, also for links that lead in a circle."""
    return Path(os.path.realpath(path))
