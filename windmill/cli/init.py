"""`init`: a home with a job that runs within seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.core.errors import Refused

SETTINGS: Final = """\
# Settings of this home. Every key has a default, so this file may stay as it is.

# timezone = "Europe/Madrid"    # meaning of cron times; default: the machine's

# [scheduler]
# max_running = 8               # executions at once
"""

JOB: Final = """\
# yaml-language-server: $schema=../.windmill/job.schema.json
name: hello
description: Says hello and counts to eight
project: hello            # the directory projects/hello
entry_point: hello.py     # the file in it that is run
schedule:
  interval: 5s            # or cron: "0 6 * * mon-fri"
timeout: 1m
"""

SCRIPT: Final = '''\
"""An example job: prints its progress for two seconds."""

import os
import time

print("Hello from", os.environ.get("WINDMILL_JOB", "hello"))
for step in range(1, 9):
    time.sleep(0.25)
    print(f"step {step} of 8")
print("done")
'''

IGNORED: Final = ".windmill/\n"


@click.command(cls=Verb)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--git", is_flag=True, help="Make a jobs repository for a home to pull from, instead of a home.")
@click.pass_obj
def init(session: Session, directory: Path, git: bool) -> None:
    """Make a home: settings, an example project, and a job that runs it.

    Examples:
        windmill init                  here
        windmill init ~/jobs           there
        windmill init --git reports    a jobs repository: a job, a pre-commit hook, checks for GitHub and GitLab

    Nothing that exists is overwritten. The home can be put under version control at once; what WindMill itself
    writes goes into .windmill, which git is told to ignore.
    """
    if git:
        _init_git(session, directory)
        return
    wanted = {
        directory / "windmill.toml": SETTINGS,
        directory / "projects" / "hello" / "hello.py": SCRIPT,
        directory / "jobs.d" / "hello.yaml": JOB,
    }
    if present := [path for path in wanted if path.exists()]:
        raise Refused(
            f"{present[0]} exists already; nothing was changed",
            hint="windmill up runs an existing home; windmill init DIR makes another one",
        )
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if not (directory / ".gitignore").exists():
        (directory / ".gitignore").write_text(IGNORED)
    _write_schema(directory)
    enter = "" if directory == Path() else f"cd {directory} && "
    session.say(f"made {', '.join(str(path) for path in wanted)}\nnext: {enter}windmill up")


def _init_git(session: Session, directory: Path) -> None:
    from windmill.app.git_setup import set_up, settings_for

    directory.mkdir(parents=True, exist_ok=True)
    made, kept = set_up(directory)
    session.say(f"made {', '.join(made) or 'nothing'}")
    if kept:
        session.say(f"already there, and left as they are: {', '.join(kept)}")
    session.say("next: commit and push it, and put into the windmill.toml of the home:")
    print(settings_for(directory), end="")


def _write_schema(directory: Path) -> None:
    from windmill.jobs.schema import job_schema

    state = directory / ".windmill"
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "job.schema.json").write_text(json.dumps(job_schema(), indent=2) + "\n")
