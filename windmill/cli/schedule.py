"""`schedule explain` and `schema job`: what may be written in a job file, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import rich_click as click

from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean, local, relative
from windmill.cli.times import as_schedule
from windmill.core.documents import to_text
from windmill.core.model import Job

MOST: Final = 10_000
LATEST: Final = datetime.max.replace(tzinfo=UTC)


@click.group(cls=click.RichGroup, no_args_is_help=True)
def schedule() -> None:
    """Explain schedules.

    Examples:
        windmill schedule explain "30 6 * * mon-fri"

    Nothing is read or changed.
    """


@schedule.command(cls=Verb)
@click.argument("expression", metavar="EXPR")
@click.option("--tz", "timezone", metavar="ZONE", help="An IANA name; default: the home's zone, else UTC.")
@click.option(
    "-n", "count", type=click.IntRange(min=1, max=MOST), default=10, show_default=True, help="How many starts."
)
@click.pass_obj
def explain(session: Session, expression: str, timezone: str | None, count: int) -> int:
    """Say in words when a cron expression or an interval is due, with the next starts and what may surprise.

    Examples:
        windmill schedule explain "30 6 * * mon-fri" --tz America/Sao_Paulo
        windmill schedule explain 1h30m -n 3

    Exit status 3 when there is something to warn of.
    """
    from windmill.core.explain import in_words
    from windmill.core.triggers import slots, trigger_for
    from windmill.core.zones import zone
    from windmill.jobs.lint import lint

    now = session.now
    wanted = as_schedule(expression, timezone=timezone or _home_zone(session))
    words = in_words(wanted)
    trigger = trigger_for(wanted, key="", first_seen=now)
    starts = slots(trigger, after=now, until=LATEST, limit=count)
    job = Job(project="", name="", entry_point="", file="", digest="", schedule=wanted)
    warnings = [f"{problem.message}; {problem.hint}" for problem in lint(job, now=now)]
    if session.json:
        session.print_json({"words": words, "next": [to_text(start) for start in starts], "warnings": warnings})
    else:
        print(clean(words))
        for start in starts:
            print(f"  {local(start, zone(wanted.timezone))}  {relative(start, now)}")
        for warning in warnings:
            print(f"warning: {clean(warning)}")
    return Exit.PROBLEMS if warnings else Exit.OK


def _home_zone(session: Session) -> str:
    """Return the home's zone; a schedule can be explained without a home too."""
    from windmill.core.errors import NotFound

    try:
        return session.home.settings.timezone
    except NotFound:
        return "UTC"


@click.group(cls=click.RichGroup, no_args_is_help=True)
def schema() -> None:
    """Print schemas for editors.

    Examples:
        windmill schema job > job.schema.json
        windmill schema project

    An editor that speaks yaml-language-server is told of it by the first line of jobs.d/hello.yaml.
    """


@schema.command("job", cls=Verb)
@click.pass_obj
def print_job_schema(session: Session) -> None:
    """Print the JSON Schema of a job file.

    Examples:
        windmill schema job > job.schema.json

    With it an editor completes keys and marks mistakes while you type.
    """
    from windmill.jobs.schema import job_schema

    session.print_json(job_schema())


@schema.command("project", cls=Verb)
@click.pass_obj
def print_project_schema(session: Session) -> None:
    """Print the JSON Schema of what windmill.toml says of a project.

    Examples:
        windmill schema project

    It describes a table [projects.NAME].
    """
    from windmill.app.schemas import schemas

    session.print_json(schemas()["project"])
