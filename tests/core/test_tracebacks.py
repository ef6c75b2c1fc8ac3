from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.tracebacks import LOOKED_AT, MESSAGE_MAX, Fault, fault

HOME = "/srv/windmill"
CLEAN = f"""\
reading...
Traceback (most recent call last):
  File "{HOME}/projects/dw/etl/main.py", line 12, in <module>
    run()
    ~~~^^
  File "{HOME}/projects/dw/etl/clean.py", line 88, in clean
    row["cpf"]
    ~~~^^^^^^^
  File "/usr/lib/python3.11/collections/__init__.py", line 1015, in __getitem__
    raise KeyError(key)
KeyError: 'cpf'
"""


def raised(tmp_path: Path, code: str) -> Fault | None:
    """What a real Python says of the script, folded."""
    script = tmp_path / "projects" / "dw" / "script.py"
    script.parent.mkdir(parents=True)
    script.write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, str(script)], stderr=subprocess.PIPE, text=True, check=False)
    return fault(done.stderr)


def test_a_traceback_is_its_exception_and_the_last_frame_of_the_project() -> None:
    found = fault(CLEAN)
    assert found == Fault(error="KeyError: 'cpf'", file="etl/clean.py", line=88, function="clean")
    assert found.place == "etl/clean.py:88"


@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        ("def f():\n    return {}['cpf']\nf()", "KeyError: 'cpf'", 2),
        ("raise SystemError", "SystemError", 1),
        ("raise ValueError('')", "ValueError", 1),
        ("raise ValueError('one\\ntwo')", "ValueError: one", 1),
        (
            "import json\n\njson.loads('[')",
            "json.decoder.JSONDecodeError: Expecting value: line 1 column 2 (char 1)",
            3,
        ),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError('no')", "OSError: no", 4),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError('no') from e", "OSError: no", 4),
        ("def f():\n    f()\nf()", "RecursionError: maximum recursion depth exceeded", 2),
        ("class Énergie(Exception): pass\n\nraise Énergie('x')", "Énergie: x", 3),
    ],
)
def test_what_python_prints_is_understood(tmp_path: Path, code: str, error: str, line: int) -> None:
    found = raised(tmp_path, code)
    assert found is not None
    assert (found.error, found.place) == (error, f"script.py:{line}")


def test_of_a_group_the_group_is_told_or_one_of_its_exceptions(tmp_path: Path) -> None:
    found = raised(tmp_path, "raise ExceptionGroup('all', [ValueError('one')])")
    assert found is not None
    assert found.error == "ExceptionGroup: all (1 sub-exception)"


def test_a_file_that_python_cannot_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "projects" / "dw").mkdir(parents=True)
    broken = tmp_path / "projects" / "dw" / "broken.py"
    broken.write_text("def f(:\n")
    main = tmp_path / "projects" / "dw" / "main.py"
    main.write_text("import broken\n")
    done = subprocess.run([sys.executable, str(main)], stderr=subprocess.PIPE, text=True, check=False)
    found = fault(done.stderr)
    assert found is not None
    assert (found.error, found.place) == ("SyntaxError: invalid syntax", "broken.py:1")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/srv/home/.windmill/revisions/dw/3f2a91c0/etl/clean.py", "etl/clean.py"),
        ("/srv/home/projects/dw/clean.py", "clean.py"),
        ("/opt/elsewhere/clean.py", "/opt/elsewhere/clean.py"),
        ("clean.py", "clean.py"),
        ("<string>", "<string>"),
    ],
)
def test_a_file_is_named_as_it_is_called_in_the_project(path: str, shown: str) -> None:
    found = fault(f'Traceback (most recent call last):\n  File "{path}", line 1, in f\nKeyError: 1\n')
    assert found is not None
    assert found.file == shown


def test_where_no_frame_is_the_projects_no_place_is_named() -> None:
    text = 'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in f\nKeyError: 1\n'
    assert fault(text) == Fault(error="KeyError: 1")


def test_of_several_the_last_counts_and_what_follows_it_is_no_part_of_it() -> None:
    found = fault(CLEAN + CLEAN.replace("cpf", "cnpj") + "worker 2 left\n    indented\n")
    assert found is not None
    assert found.error == "KeyError: 'cnpj'"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all well\n",
        "Traceback (most recent call last):\n",
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    code',
        "Traceback (most recent call last):\nKeyError: 1\n",
        CLEAN.replace("KeyError: 'cpf'", "!!"),
    ],
)
def test_what_is_no_whole_traceback_is_none(text: str) -> None:
    assert fault(text) is None


def test_the_line_of_an_exception_is_short_and_only_the_end_is_looked_at() -> None:
    found = fault(CLEAN.replace("'cpf'", "x" * 9999))
    assert found is not None
    assert len(found.error) == MESSAGE_MAX
    assert fault(CLEAN + "x\n" * LOOKED_AT) is None


@given(
    st.lists(
        st.sampled_from([*CLEAN.splitlines(), "  + Exception Group Traceback (most recent call last):", "  | ", ""])
    )
)
def test_whatever_the_lines_something_or_nothing_is_found(lines: list[str]) -> None:
    found = fault("\n".join(lines))
    assert found is None or found.error
