from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import until
from windmill.projects.bounded import Answer, finish, limited


def run(
    script: str,
    *arguments: str,
    timeout: float = 20.0,
    limit: int = 1 << 20,
    max_bytes: int = 1 << 20,
    lines: list[str] | None = None,
) -> Answer:
    with subprocess.Popen(
        limited(["sh", "-c", script, "sh", *arguments], timeout=timeout + 1, max_bytes=max_bytes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        return finish(child, timeout=timeout, limit=limit, on_line=None if lines is None else lines.append)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_both_streams_and_the_exit_status_come_back() -> None:
    assert run("echo out; echo err >&2; exit 3") == Answer(3, b"out\n", b"err\n", late=False, cut=False)


def test_arguments_reach_the_command_as_they_are() -> None:
    assert run('printf "%s|" "$@"', "a b", "$(id)", "-x", "'\"").out == b"a b|$(id)|-x|'\"|"


def test_errors_are_passed_on_line_by_line() -> None:
    lines: list[str] = []
    run('printf "10%%\\r20%%\\r\\nlast without end" >&2', lines=lines)
    assert lines == ["10%", "20%", "last without end"]


def test_a_line_without_end_is_cut_short() -> None:
    lines: list[str] = []
    run("head -c 300000 /dev/zero | tr '\\0' x >&2", lines=lines)
    assert max(map(len, lines)) == 4096


def test_of_endless_errors_the_end_is_kept() -> None:
    answer = run("yes error | head -c 300000 >&2; echo last >&2")
    assert (len(answer.err), answer.err.endswith(b"last\n")) == (64 << 10, True)


def test_more_output_than_allowed_ends_the_child() -> None:
    answer = run("yes", limit=100_000)
    assert (answer.cut, answer.late, answer.code) == (True, False, -9)


@pytest.mark.parametrize("script", ["sleep 600", "exec >&- 2>&-; sleep 600", "trap '' TERM INT HUP; sleep 600"])
def test_the_deadline_ends_the_child(script: str) -> None:
    answer = run(script, timeout=0.3)
    assert (answer.late, answer.code) == (True, -9)


def test_no_process_of_the_group_is_left(tmp_path: Path) -> None:
    run(f"sleep 600 & echo $! > {tmp_path}/pid; sleep 600", timeout=0.5)
    assert not lives(int((tmp_path / "pid").read_text()))


def test_one_that_keeps_the_pipe_open_does_not_hold_us(tmp_path: Path) -> None:
    answer = run(f"setsid sleep 600 & echo $! > {tmp_path}/pid; echo done")
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert (answer.code, answer.out, answer.late) == (0, b"done\n", False)


def test_a_file_may_not_grow_beyond_the_limit(tmp_path: Path) -> None:
    answer = run(f"head -c 3000000 /dev/zero > {tmp_path}/file", max_bytes=100 << 10)
    assert answer.code
    assert (tmp_path / "file").stat().st_size <= 200 << 10
    assert b"File too large" in answer.err


def test_memory_is_limited() -> None:
    answer = run(f"{sys.executable} -c 'bytearray(3 << 30)'")
    assert b"MemoryError" in answer.err


def test_the_limits_hold_without_anybody_watching(tmp_path: Path) -> None:
    command = limited(["sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 600"], timeout=0.1)
    with subprocess.Popen(command, start_new_session=True) as child:
        child.wait()
    until(lambda: not lives(int((tmp_path / "pid").read_text())), what="the command is gone")
