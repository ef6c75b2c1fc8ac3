"""What of a job file is shown beside a problem, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from windmill.core.errors import Problem
from windmill.jobs import spec
from windmill.jobs.excerpt import HIDDEN, LONGEST, with_excerpts


def excerpt(text: str, line: int) -> tuple[str, ...]:
    """The excerpt of a problem in that line of a file with that text."""
    (problem,) = with_excerpts([Problem(file="x.yaml", line=line, column=1, message="odd")], text.encode())
    return problem.excerpt


@pytest.mark.parametrize(
    ("line", "shown"),
    [(1, ("a: 1", "b: 2")), (2, ("a: 1", "b: 2", "c: 3")), (3, ("b: 2", "c: 3")), (9, ())],
    ids=["the first", "one between", "the last", "beyond the end"],
)
def test_it_is_the_line_and_the_ones_around_it(line: int, shown: tuple[str, ...]) -> None:
    assert excerpt("a: 1\nb: 2\nc: 3\n", line) == shown


def test_lines_end_where_they_do_for_yaml() -> None:
    assert excerpt("a: 1\r\nb: 2\u2028c: 3\rd: 4", 3) == ("b: 2", "c: 3", "d: 4")


def test_a_problem_of_the_whole_file_has_none() -> None:
    assert excerpt("a: 1", 0) == ()


def test_a_long_line_is_cut() -> None:
    (line,) = excerpt("a" * 5000, 1)
    assert (len(line), line[-1]) == (LONGEST, "…")


@pytest.mark.parametrize(
    "text",
    [
        "env:\n  PORT: HUSH\n  MORE: x",
        "env:\n  # HUSH\n  MORE: x",
        "env: {PORT: HUSH,\nMORE: HUSH}",
        "env:\n  PORT: |\n    HUSH\n  MORE: HUSH",
        "env:\n  PORT: 'first\n    HUSH'",
        'env:\n  "odd name": HUSH',
        "{entry_point: x, env: {PORT: HUSH}}",
        '"env": {A: HUSH}',
        "env:\n\n  PORT: HUSH",
        "- env: {PORT: HUSH}",
        "env:\n  PORT HUSH",
        "db_password: HUSH",
        "description: x\napiKey: HUSH",
        'args: ["--token", "HUSH"]',
        'args: ["--auth-token=HUSH", x]',
        "args: [--password, HUSH]",
        "args: --secret HUSH",
        "heartbeat: https://ana:HUSH@example.com/x",
        "description: mongodb://HUSH@db/x",
    ],
)
def test_what_could_be_a_secret_is_not_in_it(text: str) -> None:
    for line in range(1, text.count("\n") + 2):
        assert "HUSH" not in "\n".join(excerpt(text, line))


def test_what_follows_the_environment_is_shown_again() -> None:
    assert excerpt("env:\n  A: b\ntimeout: 5 apples\n", 3) == (f"  A: {HIDDEN}", "timeout: 5 apples")


def test_a_column_before_what_is_hidden_stays_where_it_was() -> None:
    assert excerpt("env:\n    PORT: 8080", 2)[1] == f"    PORT: {HIDDEN}"


def test_every_problem_of_a_file_points_into_its_own_excerpt(tmp_path: Path) -> None:
    content = b"entry_point: main.py\ntimout: 5m\nschedule:\n  cron: soon\n"
    _, problems = spec.read(content, file="x.yaml", stem="x", timezone="UTC", defaults={}, projects={"p": tmp_path})
    found = {
        problem.excerpt[problem.line - max(problem.line - 1, 1)][problem.column - 1 :]
        for problem in with_excerpts(problems, content)
        if problem.severity == "error"
    }
    assert found == {"timout: 5m", "soon"}


def test_no_message_repeats_a_value_of_the_environment(tmp_path: Path) -> None:
    content = b"entry_point: main.py\nenv: {PIN: 4711}\n"
    _, problems = spec.read(content, file="x.yaml", stem="x", timezone="UTC", defaults={}, projects={"p": tmp_path})
    (problem,) = (one for one in with_excerpts(problems, content) if one.severity == "error")
    assert "4711" not in f"{problem}{problem.excerpt}"
    assert problem.hint == "put it in quotes"
