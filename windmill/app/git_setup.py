"""What a repository of jobs begins with: an example, and the checks before a commit and in CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from windmill.app.checkout import project_name
from windmill.app.home import SETTINGS_FILE
from windmill.app.repository import JOBS
from windmill.core.errors import Refused
from windmill.jobs.scan import scan
from windmill.jobs.schema import job_schema

SCHEMA: Final = f"{JOBS}/.schema.json"

JOB: Final = """\
# yaml-language-server: $schema=.schema.json
name: hello
description: Says hello
entry_point: hello.py     # a file of this repository
schedule:
  cron: "0 6 * * mon-fri"
  timezone: UTC
timeout: 1m
"""

SCRIPT: Final = '''\
"""An example job."""

print("Hello from a repository")
'''

PRE_COMMIT: Final = r"""repos:
  - repo: local
    hooks:
      - id: windmill-validate
        name: windmill validate
        entry: windmill validate
        language: system
        files: ^jobs\.d/|\.py$|^requirements
        pass_filenames: false  # jobs are judged together, and with the code they start
"""

GITHUB: Final = """\
name: jobs
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0  # the plan compares with another commit
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install windmill-scheduler
      - run: windmill validate --format github
      - run: windmill plan "origin/$GITHUB_BASE_REF"
        if: github.event_name == 'pull_request'
"""

GITLAB: Final = """\
check-jobs:
  image: python:3.12
  variables:
    GIT_DEPTH: "0"  # the plan compares with another commit
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  script:
    - pip install windmill-scheduler
    - windmill validate --format text
    - windmill plan "${CI_MERGE_REQUEST_DIFF_BASE_SHA:-HEAD}"
"""

README: Final = """\
# {name}

Jobs that WindMill runs: `jobs.d/` says what and when, a YAML file each. A commit is in effect when WindMill has
fetched and checked it.

```sh
pre-commit install            # once: checks every commit
windmill validate             # what is wrong in the files
windmill plan origin/main     # what they would change
```
"""

SETTINGS: Final = """\
[projects.{name}]
git = "https://git.example.com/team/{name}.git"
ref = "main"
"""


def set_up(directory: Path) -> tuple[list[str], list[str]]:
    """Write the files of a jobs repository; return the names of those made, and of those that were there and stay.

    Where job files are already, no example is added. Raises Refused in a home, OSError where it cannot write.
    """
    if (directory / SETTINGS_FILE).exists():
        raise Refused(
            f"{directory} is a home: it holds {SETTINGS_FILE}",
            hint="make the jobs repository in a directory of its own",
        )
    wanted = _files(directory)
    made, kept = [], []
    for name, text in wanted.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x") as file:
                file.write(text)
        except FileExistsError:
            kept.append(name)
        else:
            made.append(name)
    return made, kept


def settings_for(directory: Path) -> str:
    """Return what the windmill.toml of a home says to take its jobs from this repository."""
    return SETTINGS.format(name=project_name(directory))


def _files(directory: Path) -> dict[str, str]:
    example = {} if _has_jobs(directory) else {f"{JOBS}/hello.yaml": JOB, "hello.py": SCRIPT}
    return {
        **example,
        SCHEMA: json.dumps(job_schema(), indent=2) + "\n",
        ".pre-commit-config.yaml": PRE_COMMIT,
        ".github/workflows/jobs.yml": GITHUB,
        ".gitlab-ci.yml": GITLAB,
        "README.md": README.format(name=project_name(directory)),
    }


def _has_jobs(directory: Path) -> bool:
    return (directory / JOBS).is_dir() and bool(scan(directory / JOBS).files)
