"""What `validate` prints of a mistake."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import windmill


def test_the_line_of_a_mistake_is_shown_with_a_caret_under_its_place(home: Path) -> None:
    (home / "jobs.d" / "bad.yaml").write_text("project: p\nentry_point: hello.py\nschedule: {interval: never}\n")
    outcome = windmill(home, "validate", str(home / "jobs.d" / "bad.yaml"))
    assert [line for line in outcome.out.splitlines() if "|" in line] == [
        "  2 | entry_point: hello.py",
        "  3 | schedule: {interval: never}",
        "    |                      ^",
    ]


def test_a_tab_is_one_column_wide_so_that_the_caret_stands_under_it(home: Path) -> None:
    (home / "jobs.d" / "bad.yaml").write_text("project: p\n\tentry_point: hello.py\n")
    outcome = windmill(home, "validate", str(home / "jobs.d" / "bad.yaml"))
    shown = [line for line in outcome.out.splitlines() if "|" in line]
    assert shown[1] == "  2 |  entry_point: hello.py"
    assert shown[2].endswith("| ^")


def test_programs_get_the_lines_too(home: Path) -> None:
    (home / "jobs.d" / "bad.yaml").write_text("project: p\nentry_point: hello.py\ntimout: 5m\n")
    (problem,) = windmill(home, "validate", "--json").json["problems"]
    assert problem["excerpt"] == ["entry_point: hello.py", "timout: 5m"]
