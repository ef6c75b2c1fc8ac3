from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from windmill.core.model import Cause, Execution, State
from windmill.core.ports import Plan
from windmill.execution.launch import Launch, NotStarted, in_words, prepare

ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "LANG": "C.UTF-8", "STORE_URI": "mongodb://daemon-only"}
EXECUTION = Execution(
    id="0123456789abcdef",
    job="reports/sales",
    state=State.RUNNING,
    trigger=Cause.SCHEDULE,
    slot=datetime(2026, 1, 1, tzinfo=UTC),
    queued_at=datetime(2026, 1, 1, tzinfo=UTC),
    attempt=2,
    revision="main@sha1:abc",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "jobs" / "sales.py").write_text("print('hello')\n")
    return root


def plan(root: Path, entry_point: str = "jobs/sales.py", **changes: Any) -> Plan:
    plain = Plan(execution=EXECUTION, root=str(root), entry_point=entry_point, python=sys.executable)
    return replace(plain, **changes)


def launch(root: Path, entry_point: str = "jobs/sales.py", **changes: Any) -> Launch:
    return prepare(plan(root, entry_point, **changes), cookie="c00kie", environ=ENVIRON)


def refusal(root: Path, entry_point: str = "jobs/sales.py", **changes: Any) -> str:
    with pytest.raises(NotStarted) as caught:
        launch(root, entry_point, **changes)
    return str(caught.value)


def script(path: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


# What is started


def test_a_python_file_runs_with_the_projects_python_in_its_own_folder(root: Path) -> None:
    made = launch(root, args=("--region", "BR"))
    assert made.argv == (sys.executable, str(root / "jobs/sales.py"), "--region", "BR")
    assert made.cwd == str(root / "jobs")


def test_a_module_runs_in_the_root(root: Path) -> None:
    made = launch(root, "-m acme.sales", args=("x",))
    assert (made.argv, made.cwd) == ((sys.executable, "-m", "acme.sales", "x"), str(root))


def test_another_file_runs_by_its_shebang(root: Path) -> None:
    script(root / "load.sh")
    assert launch(root, "load.sh").argv == (str(root / "load.sh"),)


def test_the_working_directory_is_relative_to_the_project(root: Path) -> None:
    assert launch(root, working_dir=".").cwd == str(root)


def test_a_link_to_a_file_inside_the_project_is_followed(root: Path) -> None:
    (root / "today.py").symlink_to("jobs/sales.py")
    assert launch(root, "today.py").argv[1] == str(root / "today.py")


def test_a_project_behind_a_link_runs_where_the_link_points_now(root: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(root)
    assert launch(tmp_path / "current").argv[1] == str(root / "jobs/sales.py")


def test_what_is_prepared_really_starts(root: Path) -> None:
    made = launch(root)
    done = subprocess.run(made.argv, env=made.env, cwd=made.cwd, capture_output=True, check=True)
    assert done.stdout == b"hello\n"


# What is not started, in words


@pytest.mark.parametrize(
    "entry", ["../outside.py", "../project2/x.py", "/etc/passwd", "link.py", "folder/outside.py"]
)
def test_an_entry_point_outside_the_project_is_refused(root: Path, entry: str) -> None:
    (root.parent / "outside.py").touch()
    (root / "link.py").symlink_to("../outside.py")
    (root / "folder").symlink_to("..")
    assert "leads out of the project" in refusal(root, entry)


@pytest.mark.parametrize("folder", ["..", "/"])
def test_a_working_directory_outside_the_project_is_refused(root: Path, folder: str) -> None:
    assert "working directory" in (said := refusal(root, working_dir=folder))
    assert "leads out" in said


def refuse_missing(root: Path) -> str:
    return refusal(root, "jobs/gone.py")


def refuse_directory(root: Path) -> str:
    return refusal(root, "jobs")


def refuse_pipe(root: Path) -> str:
    os.mkfifo(root / "pipe.py")
    return refusal(root, "pipe.py")


def refuse_loop(root: Path) -> str:
    (root / "loop.py").symlink_to("loop.py")
    return refusal(root, "loop.py")


def refuse_file_as_folder(root: Path) -> str:
    return refusal(root, "jobs/sales.py/x.py")


def refuse_not_executable(root: Path) -> str:
    script(root / "load.sh", mode=0o644)
    return refusal(root, "load.sh")


def refuse_windows_line_ends(root: Path) -> str:
    script(root / "load.sh", b"#!/bin/sh\r\necho\r\n")
    return refusal(root, "load.sh")


def refuse_missing_interpreter(root: Path) -> str:
    script(root / "load.sh", b"#!/opt/gone/ruby -w\n")
    return refusal(root, "load.sh")


def refuse_interpreter_without_permission(root: Path) -> str:
    script(root / "load.sh", b"#!/etc/passwd\n")
    return refusal(root, "load.sh")


def refuse_empty_shebang(root: Path) -> str:
    script(root / "load.sh", b"#!\n")
    return refusal(root, "load.sh")


def refuse_missing_python(root: Path) -> str:
    return refusal(root, python=str(root / "venv/bin/python"))


def refuse_missing_project(root: Path) -> str:
    return refusal(root / "gone")


def refuse_missing_working_dir(root: Path) -> str:
    return refusal(root, working_dir="gone")


def refuse_file_as_working_dir(root: Path) -> str:
    return refusal(root, working_dir="jobs/sales.py")


def refuse_odd_option(root: Path) -> str:
    return refusal(root, "-c print(1)")


def refuse_nul_in_path(root: Path) -> str:
    return refusal(root, "a\0b.py")


def refuse_nul_in_argument(root: Path) -> str:
    return refusal(root, args=("x", "a\0b"))


def refuse_long_argument(root: Path) -> str:
    return refusal(root, args=("x" * (128 << 10),))


def refuse_lone_surrogate(root: Path) -> str:
    return refusal(root, args=("\ud800",))


def refuse_too_many_arguments(root: Path) -> str:
    return refusal(root, args=("x" * 100_000,) * (os.sysconf("SC_ARG_MAX") // 100_000 + 1))


def refuse_nul_in_variable(root: Path) -> str:
    return refusal(root, env={"A": "x\0y"})


def refuse_long_variable(root: Path) -> str:
    return refusal(root, env={"A": "x" * (128 << 10)})


def refuse_equals_in_name(root: Path) -> str:
    return refusal(root, env={"A=B": "x"})


def refuse_empty_name(root: Path) -> str:
    return refusal(root, env={"": "x"})


def refuse_missing_env_file(root: Path) -> str:
    return refusal(root, env_files=(str(root / "gone.env"),))


def refuse_large_env_file(root: Path) -> str:
    (root / "large.env").write_bytes(b"#" * (64 << 10) + b"\n")
    return refusal(root, env_files=(str(root / "large.env"),))


def refuse_missing_secret(root: Path) -> str:
    return refusal(root, secret_files={"TOKEN": str(root / "gone")})


def refuse_pipe_as_secret(root: Path) -> str:
    os.mkfifo(root / "pipe")
    return refusal(root, secret_files={"TOKEN": str(root / "pipe")})


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        (refuse_missing, "jobs/gone.py does not exist"),
        (refuse_directory, "jobs is a directory"),
        (refuse_pipe, "pipe.py is not a regular file"),
        (refuse_loop, "loop.py cannot be reached: Too many levels of symbolic links"),
        (refuse_file_as_folder, "cannot be reached: Not a directory"),
        (refuse_not_executable, "load.sh is not executable\n  hint: chmod +x load.sh"),
        (refuse_windows_line_ends, "load.sh has Windows line endings"),
        (refuse_missing_interpreter, "names /opt/gone/ruby, which does not exist"),
        (refuse_interpreter_without_permission, "names /etc/passwd, which may not be executed"),
        (refuse_empty_shebang, "names no interpreter"),
        (refuse_missing_python, "venv/bin/python does not exist"),
        (refuse_missing_project, "gone does not exist"),
        (refuse_missing_working_dir, "working directory"),
        (refuse_file_as_working_dir, "is not a directory"),
        (refuse_odd_option, "is not understood"),
        (refuse_nul_in_path, "path of the entry point holds a NUL byte"),
        (refuse_nul_in_argument, "argument 3 of the command holds a NUL byte"),
        (refuse_long_argument, "argument 2 of the command is 131073 bytes long"),
        (refuse_lone_surrogate, "argument 2 of the command holds a character"),
        (refuse_too_many_arguments, "the arguments and the environment take"),
        (refuse_nul_in_variable, "the environment variable A holds a NUL byte"),
        (refuse_long_variable, "the environment variable A is 131075 bytes long"),
        (refuse_equals_in_name, "an environment variable cannot be named 'A=B'"),
        (refuse_empty_name, "an environment variable cannot be named ''"),
        (refuse_missing_env_file, "gone.env cannot be read: No such file or directory"),
        (refuse_large_env_file, "large.env is too large: at most 64 KiB are read"),
        (refuse_missing_secret, "file of the secret TOKEN"),
        (refuse_pipe_as_secret, "pipe is not a regular file"),
    ],
)
def test_what_cannot_start_says_why(root: Path, refuse: Callable[[Path], str], words: str) -> None:
    assert words in refuse(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_entry_point_says_so(root: Path) -> None:
    (root / "jobs/sales.py").chmod(0)
    assert "may not be read" in refusal(root)


# The environment


def env(root: Path, **changes: Any) -> Mapping[str, str]:
    return launch(root, **changes).env


def test_nothing_of_the_daemons_environment_reaches_the_job_but_the_basics(root: Path) -> None:
    assert dict(env(root)) == {
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/me",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "WINDMILL_COOKIE": "c00kie",
        "WINDMILL_EXECUTION": "0123456789abcdef",
        "WINDMILL_JOB": "reports/sales",
        "WINDMILL_PROJECT": "reports",
        "WINDMILL_SLOT": "2026-01-01T00:00:00.000Z",
        "WINDMILL_ATTEMPT": "2",
        "WINDMILL_TRIGGER": "schedule",
        "WINDMILL_REVISION": "main@sha1:abc",
    }


def test_there_is_a_path_where_the_daemon_has_none(root: Path) -> None:
    assert prepare(plan(root), cookie="", environ={}).env["PATH"] == "/usr/local/bin:/usr/bin:/bin"


def test_a_manual_execution_has_no_slot(root: Path) -> None:
    assert "WINDMILL_SLOT" not in env(root, execution=replace(EXECUTION, slot=None))


def test_params_are_variables(root: Path) -> None:
    params = {"region": "BR", "dry-run": True, "rows": 5, "none": None}
    found = env(root, execution=replace(EXECUTION, params=params))
    assert {name: value for name, value in found.items() if "PARAM" in name} == {
        "WINDMILL_PARAM_REGION": "BR",
        "WINDMILL_PARAM_DRY_RUN": "true",
        "WINDMILL_PARAM_ROWS": "5",
    }


def test_env_wins_over_files_and_later_files_over_earlier(root: Path) -> None:
    (root / "a.env").write_text("A=1\nB=1\nC=1\n")
    (root / "b.env").write_text("B=2\nC=2\n")
    found = env(root, env_files=(str(root / "a.env"), str(root / "b.env")), env={"C": "3"})
    assert [found[name] for name in "ABC"] == ["1", "2", "3"]


def test_the_facts_cannot_be_overwritten(root: Path) -> None:
    assert env(root, env={"WINDMILL_COOKIE": "other"})["WINDMILL_COOKIE"] == "c00kie"


def test_secrets_from_files_lose_their_final_newline_and_are_masked(root: Path) -> None:
    (root / "token").write_bytes(b"hunter2\xff\r\n")
    made = launch(root, secret_files={"TOKEN": str(root / "token")})
    assert os.fsencode(made.env["TOKEN"]) == b"hunter2\xff"
    assert made.masks == (b"hunter2\xff",)


def test_secrets_among_the_plain_values_are_masked(root: Path) -> None:
    made = launch(root, env={"DB": "p\u00e4ss", "PLAIN": "x", "EMPTY": ""}, secret_names=("DB", "EMPTY", "GONE"))
    assert made.masks == ("p\u00e4ss".encode(),)


@pytest.mark.parametrize("broken", [b"\xff\xfehunter2", b"TOKEN hunter2", b"TOKEN='hunter2", b'TOKEN="hunter2" x'])
def test_a_broken_environment_file_names_the_line_and_never_the_value(root: Path, broken: bytes) -> None:
    (root / "a.env").write_bytes(b"# first\nA=1\n" + broken + b"\n")
    said = refusal(root, env_files=(str(root / "a.env"),))
    assert "a.env:3: expected" in said
    assert "hunter2" not in said


def test_a_refusal_never_shows_a_value(root: Path) -> None:
    assert "hunter2" not in refusal(root, env={"TOKEN": "hunter2\0"}, secret_names=("TOKEN",))


# Errors of the system


def system_error(argv: tuple[str, ...], cwd: Path) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one it is shows in the words
        subprocess.Popen(argv, cwd=cwd).wait()
    return in_words(caught.value, argv, str(cwd))


def test_errors_of_the_system_name_what_is_missing(root: Path) -> None:
    gone = script(root / "gone.sh", b"#!/opt/gone/sh\n")
    text = script(root / "text", b"no program\n")
    plain = script(root / "plain", mode=0o644)
    assert system_error((str(root / "nothing"),), root) == f"{root}/nothing does not exist"
    assert system_error(("/bin/true",), root / "gone") == f"the working directory {root}/gone does not exist"
    assert system_error((str(gone),), root) == f"{gone} needs an interpreter or loader that does not exist"
    assert "is neither a program" in system_error((str(text),), root)
    assert "may not be executed" in system_error((str(plain),), root)
    assert "larger than the system allows" in system_error(("/bin/true", "x" * (1 << 20)), root)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "limit of processes"),
        (errno.EMFILE, "WindMill has too many files open"),
        (errno.ENOMEM, "no memory"),
        (errno.EIO, "/bin/true could not be started: Input/output error"),
    ],
)
def test_errors_of_the_system_are_said_in_words(number: int, words: str, tmp_path: Path) -> None:
    assert words in in_words(OSError(number, os.strerror(number)), ("/bin/true",), str(tmp_path))
