"""The command as a process: what it imports, and how it behaves on pipes, terminals and signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.command import PROGRAM, program, remember
from tests.support.stand_in import done, scheduler
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock, Store, Stream

ID = "0" * 15 + "1"
HEAVY = {"pydantic", "yaml", "watchdog", "pymongo", "flask", "git", "schedule", "asyncio"}
TELL = "import sys; from windmill.cli import main; main(sys.argv[1:]); print('\\n' + ' '.join(sys.modules))"


def imported(home: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", TELL, "--home", str(home), *arguments], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("verb", ["--version", "ps", "logs", "stop"])
def test_quick_verbs_import_nothing_heavy(home: Path, verb: str) -> None:
    remember(home, executions=[an_execution(id=ID)], jobs=[a_job()])
    arguments = [verb] if verb in ("--version", "ps") else [verb, ID]
    assert imported(home, *arguments) & HEAVY == set()


def test_the_version_needs_neither_tables_nor_the_store(home: Path) -> None:
    assert imported(home, "--version") & {"rich", "sqlite3", "bson"} == set()


def test_a_verb_that_does_not_exist_is_a_mistake_of_usage(home: Path) -> None:
    outcome = program(home, "pss")
    assert (outcome.status, outcome.out) == (2, "")
    assert "pss" in outcome.err


def test_messages_and_data_do_not_mix(home: Path) -> None:
    outcome = program(home, "validate", "--json")
    assert json.loads(outcome.out)["jobs"] == ["p/hello"]
    assert outcome.err == ""


def test_quiet_leaves_data_only(home: Path) -> None:
    assert program(home, "-q", "validate").err == ""


@pytest.mark.parametrize("place", [0, 1])
def test_global_options_stand_anywhere(home: Path, place: int) -> None:
    arguments = ["ps"]
    arguments.insert(place, "--json")
    assert json.loads(program(home, *arguments).out) == []


def test_a_mistake_is_one_message_without_a_traceback(home: Path) -> None:
    outcome = program(home, "logs", "nothing")
    assert outcome.status == 4
    assert outcome.err.startswith("windmill: no execution and no job")
    assert "Traceback" not in outcome.err


def test_a_reader_that_leaves_early_hears_no_complaint(home: Path) -> None:
    many = [an_execution(id=f"{number:016x}", queued_at=NOON) for number in range(3000)]
    remember(home, executions=many)
    command = subprocess.Popen(
        [*PROGRAM, "--home", str(home), "ps", "-a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout
    command.stdout.readline()
    command.stdout.close()
    assert (command.stderr.read() if command.stderr else b"") == b""
    assert command.wait(60) == 1
    if command.stderr:
        command.stderr.close()


def test_a_reader_that_was_never_there_is_no_reason_to_complain_either(home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*PROGRAM, "--home", str(home), "version"]
    buffered = {"PATH": "/usr/bin:/bin"}  # nothing fails before the end, when all is flushed
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, env=buffered)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def on_terminal(home: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Return what the command shows on a terminal."""
    leader, follower = pty.openpty()
    command = subprocess.Popen(
        [*PROGRAM, "--home", str(home), *arguments],
        stdout=follower,
        stderr=follower,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "COLUMNS": "150", **(env or {})},
    )
    os.close(follower)
    shown = b""
    try:
        while block := os.read(leader, 65536):
            shown += block
    except OSError:  # EIO: the other side is closed
        pass
    os.close(leader)
    assert command.wait(60) in (0, 3)
    return shown.decode()


def test_a_terminal_gets_a_table_with_words_and_colors(home: Path) -> None:
    remember(home, executions=[an_execution(state=State.TIMED_OUT)])
    shown = on_terminal(home, "ps", "-a")
    assert "Timed out" in shown
    assert "\x1b[31m" in shown


@pytest.mark.parametrize("how", ["variable", "option"])
def test_without_colors_nothing_but_text_is_shown(home: Path, how: str) -> None:
    remember(home, executions=[an_execution(state=State.TIMED_OUT)])
    options, env = (["--no-color"], {}) if how == "option" else ([], {"NO_COLOR": "1"})
    shown = on_terminal(home, "ps", "-a", *options, env=env)
    assert "Timed out" in shown
    assert "\x1b" not in shown


def test_output_on_a_terminal_keeps_colors_and_nothing_else_that_steers_it(home: Path) -> None:
    evil = b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\n"
    remember(home, executions=[an_execution(id=ID)], output=[OutputBlock(ID, 1, 1, Stream.STDOUT, 0, evil)])
    assert on_terminal(home, "logs", ID) == "\x1b[31mred\x1b[0m \r\n\x1b[0m"
    assert "\x1b[2J" in on_terminal(home, "logs", ID, "--raw")


def test_an_interrupted_follow_says_nothing_and_ends_with_130(home: Path) -> None:
    output = [OutputBlock(ID, 1, 1, Stream.STDOUT, 0, b"begun\n")]
    remember(home, executions=[a_running_execution(id=ID)], output=output)
    command = subprocess.Popen(
        [*PROGRAM, "--home", str(home), "logs", "-f", ID], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout
    assert command.stdout.readline() == b"begun\n"
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert (command.returncode, err.strip()) == (130, b"")


def test_the_first_interrupt_of_a_run_stops_the_execution_and_shows_its_end(home: Path) -> None:
    def answer(store: Store, request: Document) -> Document:
        if request["kind"] == "run":
            begun = [OutputBlock(ID, 1, 1, Stream.STDOUT, 0, b"begun\n")]
            store.write(Batch(executions=[a_running_execution(id=ID)], output=begun))
        else:
            stopped = an_execution(id=ID, state=State.STOPPED, exit_code=None, signal="SIGTERM")
            store.write(Batch(executions=[stopped], output=[OutputBlock(ID, 2, 2, Stream.STDOUT, 0, b"ended\n")]))
        return done(execution=ID)(store, request)

    with scheduler(home, answer, jobs=[a_job()]) as seen:
        command = subprocess.Popen(
            [*PROGRAM, "--home", str(home), "run", "hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert command.stdout
        assert command.stdout.readline() == b"begun\n"
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, b"ended\n")
    assert b"Stopped, SIGTERM" in err
    assert [request["kind"] for request in seen] == ["run", "stop"]


def test_the_second_interrupt_of_a_run_leaves_it_to_the_scheduler(home: Path) -> None:
    def answer(store: Store, request: Document) -> Document:
        if request["kind"] == "run":
            begun = [OutputBlock(ID, 1, 1, Stream.STDOUT, 0, b"begun\n")]
            store.write(Batch(executions=[a_running_execution(id=ID)], output=begun))
        return done(execution=ID)(store, request)

    with scheduler(home, answer, jobs=[a_job()]) as seen:
        command = subprocess.Popen(
            [*PROGRAM, "--home", str(home), "run", "hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert command.stdout
        assert command.stdout.readline() == b"begun\n"
        command.send_signal(signal.SIGINT)
        until(lambda: len(seen) == 2, what="the stop request")
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)
    assert command.returncode == 130


def test_a_scheduler_that_goes_away_before_it_answers_is_noticed(home: Path) -> None:
    with scheduler(home, lambda _store, _request: None, jobs=[a_job()]) as seen:
        command = subprocess.Popen([*PROGRAM, "--home", str(home), "run", "hello"], stderr=subprocess.PIPE)
        until(lambda: seen, what="the request")
    _, err = command.communicate(timeout=60)
    assert command.returncode == 5
    assert b"went away" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(home: Path, shell: str) -> None:
    assert "_WINDMILL_COMPLETE" in program(home, "completion", shell).out


def test_job_names_complete(home: Path) -> None:
    words = {"_WINDMILL_COMPLETE": "bash_complete", "COMP_WORDS": f"windmill --home {home} run he", "COMP_CWORD": "4"}
    assert "plain,p/hello" in program(home, env=words).out


@pytest.mark.parametrize("verb", [["--help"], ["run", "--help"], ["schedule", "explain", "--help"]])
def test_help_leads_with_examples(home: Path, verb: list[str]) -> None:
    shown = program(home, *verb).out
    assert 0 < shown.index("Examples:") < shown.index("Options")


def test_validate_survives_a_link_that_leads_in_a_circle(home: Path) -> None:
    (home / "jobs.d" / "loop.yaml").symlink_to(home / "jobs.d" / "loop.yaml")
    outcome = program(home, "validate")
    assert outcome.status == 3
    assert "internal error" not in outcome.err
