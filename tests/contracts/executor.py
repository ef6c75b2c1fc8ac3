"""What every executor promises. A module of tests imports everything from here and has a fixture `site`."""

from __future__ import annotations

import json
import os
import signal
import stat
from dataclasses import replace

import pytest

from tests.support.site import Site, alive
from windmill.core.model import State
from windmill.core.ports import ExecutorEventKind, Stream

FOREVER = "while :; do sleep 1; done"

STUBBORN = {
    "ignores TERM": f"trap '' TERM; echo $$; ({FOREVER}) & echo $!; echo ready; {FOREVER}",
    "double fork": "echo $$; (trap '' TERM; sleep 1000 & echo $!); echo ready; sleep 1000",
    "own session": "echo $$; trap '' TERM; setsid sleep 1000 & echo $!; echo ready; sleep 1000",
    "daemon without environment": (
        'echo $$; env -i /usr/bin/setsid /bin/sh -c \'trap "" TERM; (echo $(exec sh -c "echo \\$PPID");'
        " exec /bin/sleep 1000) & ' >&1; sleep 0.2; echo ready; exec sleep 1000"
    ),
    "stopped child": "echo $$; sleep 1000 & echo $!; kill -STOP $!; echo ready; sleep 1000",
    "stopped itself": "echo $$; echo ready; kill -STOP $$",
    "fan-out of thirty": (
        "echo $$; trap '' TERM; for i in $(seq 30); do sleep 1000 & echo $!; done; echo ready; sleep 1000"
    ),
}


def test_an_execution_is_announced_as_started_and_as_ended_once(site: Site) -> None:
    execution = site.run("exit 0")
    site.drive()
    assert [event.kind for event in site.events] == [ExecutorEventKind.STARTED, ExecutorEventKind.ENDED]
    assert execution.state is State.SUCCEEDED


def test_positions_of_events_increase(site: Site) -> None:
    started = [site.start("exit 0") for _ in range(12)]
    for execution in started:
        site.end_of(execution)
    positions = [event.position for event in site.events]
    assert positions == sorted(set(positions))


def test_an_ended_execution_tells_when_how_and_how_much(site: Site) -> None:
    ended = site.run("echo hello; exit 0")
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert ended.started_at <= ended.ended_at
    assert (ended.exit_code, ended.signal, ended.reason) == (0, None, "")
    assert (ended.output_bytes, ended.cut_bytes) == (6, 0)
    assert ended.pid


def test_both_streams_are_kept_each_in_its_order(site: Site) -> None:
    ended = site.run("for i in 1 2 3; do echo out$i; echo err$i >&2; done")
    assert site.output(ended.id, Stream.STDOUT) == b"out1\nout2\nout3\n"
    assert site.output(ended.id, Stream.STDERR) == b"err1\nerr2\nerr3\n"


def test_output_is_there_before_the_end(site: Site) -> None:
    execution = site.start("echo first; while ! [ -e go ]; do sleep 0.01; done; echo second")
    site.until_it_wrote(execution, b"first\n")
    assert not site.ends(execution)
    (site.project / "go").touch()
    site.end_of(execution)
    assert site.output(execution) == b"first\nsecond\n"


def test_python_output_is_there_before_the_end(site: Site) -> None:
    execution = site.start("import time\nprint('first')\ntime.sleep(1000)\n", suffix=".py")
    site.until_it_wrote(execution, b"first\n")
    site.executor.stop(execution, by="test")
    site.end_of(execution)


def test_output_written_right_before_the_end_is_whole(site: Site) -> None:
    ended = site.run("head -c 3000000 /dev/zero")
    assert site.output(ended.id) == bytes(3_000_000)


def test_an_exit_code_is_a_failure_with_that_code(site: Site) -> None:
    ended = site.run("exit 3")
    assert (ended.state, ended.reason, ended.exit_code) == (State.FAILED, "exit_code", 3)


def test_success_exit_codes_decide_what_is_a_success(site: Site) -> None:
    assert site.run("exit 3", success_exit_codes=(0, 3)).state is State.SUCCEEDED
    assert site.run("exit 0", success_exit_codes=(3,)).state is State.FAILED


def test_what_writes_to_stderr_fails_where_that_is_wanted(site: Site) -> None:
    ended = site.run("echo careful >&2", fail_on_stderr=True)
    assert (ended.state, ended.reason, ended.exit_code) == (State.FAILED, "stderr", 0)
    assert site.run("echo careful >&2").state is State.SUCCEEDED


def test_what_writes_to_stdout_alone_does_not_fail(site: Site) -> None:
    assert site.run("echo fine", fail_on_stderr=True).state is State.SUCCEEDED


TELLING = "echo ::progress 40% of rows; echo ::set rows=12; echo ::set file=a.csv"


def test_what_a_job_tells_of_itself_stands_on_its_end_and_in_its_output(site: Site) -> None:
    ended = site.run(TELLING)
    assert (ended.progress["value"], ended.progress["text"]) == (0.4, "of rows")
    assert ended.facts == {"rows": 12, "file": "a.csv"}
    assert site.output(ended.id) == b"::progress 40% of rows\n::set rows=12\n::set file=a.csv\n"


def test_what_a_job_tells_is_recorded_while_it_runs(site: Site) -> None:
    execution = site.start(f"{TELLING}; {FOREVER}")
    site.until(lambda: [one for one in site.records(execution) if one.facts])
    assert site.records(execution)[-1].state is State.RUNNING
    site.executor.stop(execution, by="test")
    assert site.end_of(execution).facts == {"rows": 12, "file": "a.csv"}


def test_what_a_job_tells_last_is_recorded_though_it_tells_nothing_more(site: Site) -> None:
    execution = site.start(f"for i in 1 2 3 4 5; do echo ::set i=$i; sleep 0.1; done; {FOREVER}")
    site.until(lambda: [one for one in site.records(execution) if one.facts.get("i") == 5])
    assert len(site.records(execution)) <= 5  # the start, and one a second
    site.executor.stop(execution, by="test")
    site.end_of(execution)


def test_a_signal_is_a_failure_with_its_name(site: Site) -> None:
    ended = site.run("kill -SEGV $$")
    assert (ended.state, ended.exit_code, ended.signal) == (State.FAILED, None, "SIGSEGV")
    assert ended.reason == "signal: SIGSEGV"


def test_a_kill_from_elsewhere_names_the_usual_cause(site: Site) -> None:
    assert "memory" in site.run("kill -KILL $$").reason


def test_a_timeout_ends_it(site: Site) -> None:
    ended = site.run("echo $$; exec sleep 1000", timeout=0.2)
    assert (ended.state, ended.reason, ended.signal) == (State.TIMED_OUT, "timeout", "SIGTERM")


def test_an_end_within_the_timeout_is_no_timeout(site: Site) -> None:
    assert site.run("exit 0", timeout=1000.0).state is State.SUCCEEDED


def test_what_catches_term_may_end_in_its_own_way(site: Site) -> None:
    execution = site.start(
        "trap 'echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.05; done", kill_grace=100.0
    )
    site.until_it_wrote(execution, b"ready")
    site.executor.stop(execution, by="ann")
    ended = site.end_of(execution)
    assert (ended.state, ended.reason, ended.exit_code) == (State.STOPPED, "stopped by ann", 7)
    assert b"cleaned" in site.output(execution)


def test_what_was_stopped_by_a_signal_may_end_in_its_own_way_too(site: Site) -> None:
    execution = site.start(
        "trap 'exit 7' TERM; echo ready; kill -STOP $$; while :; do sleep 0.05; done", kill_grace=100.0
    )
    site.until_it_wrote(execution, b"ready")
    site.executor.stop(execution, by="ann")
    assert site.end_of(execution).exit_code == 7


def test_a_child_may_use_the_grace_when_the_entry_point_is_gone(site: Site) -> None:
    script = (
        "(trap 'sleep 0.3; echo cleaned; exit' TERM; echo ready; while :; do sleep 0.05; done) & "
        "while :; do sleep 0.05; done"
    )
    execution = site.start(script, kill_grace=100.0)
    site.until_it_wrote(execution, b"ready")
    site.executor.stop(execution, by="ann")
    site.end_of(execution)
    assert b"cleaned" in site.output(execution)


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
def test_after_a_stop_no_process_is_left(site: Site, script: str) -> None:
    execution = site.start(script)
    site.until_it_wrote(execution, b"ready")
    pids = site.pids(execution)
    assert len(pids) >= (1 if "kill -STOP $$" in script else 2)
    site.executor.stop(execution, by="ann")
    ended = site.end_of(execution)
    assert [pid for pid in pids if alive(pid)] == []
    assert (ended.state, ended.reason) == (State.STOPPED, "stopped by ann")


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
def test_after_a_timeout_no_process_is_left(site: Site, script: str) -> None:
    ended = site.run(script, timeout=0.5, kill_grace=0.1)
    assert [pid for pid in site.pids(ended.id) if alive(pid)] == []
    assert (ended.state, ended.reason) == (State.TIMED_OUT, "timeout")


def test_a_stop_right_behind_the_start_stops_it(site: Site) -> None:
    execution = site.start(FOREVER)
    site.executor.stop(execution, by="ann")
    assert site.end_of(execution).state is State.STOPPED


def test_a_second_stop_changes_nothing(site: Site) -> None:
    execution = site.start("echo ready; trap '' TERM; " + FOREVER)
    site.until_it_wrote(execution, b"ready")
    site.executor.stop(execution, by="ann")
    site.executor.stop(execution, by="ben")
    assert site.end_of(execution).reason == "stopped by ann"


def test_a_stop_after_the_end_is_ignored(site: Site) -> None:
    ended = site.run("exit 0")
    site.executor.stop(ended.id, by="ann")
    site.executor.stop("0123456789abcdef", by="ann")
    site.run("exit 0")
    assert [found.state for found in site.ends(ended.id)] == [State.SUCCEEDED]


def test_a_child_left_behind_cannot_hold_the_end(site: Site) -> None:
    ended = site.run("sleep 1000 & echo $!; echo said; exit 0")
    assert ended.state is State.SUCCEEDED
    assert ended.reason == "output_held; left_behind: 1 killed"
    assert b"said" in site.output(ended.id)
    assert [pid for pid in site.pids(ended.id) if alive(pid)] == []


def test_a_daemon_left_behind_without_output_is_removed_and_told(site: Site) -> None:
    ended = site.run("setsid sleep 1000 >/dev/null 2>&1 & echo $!; exit 4")
    assert (ended.state, ended.reason) == (State.FAILED, "exit_code; left_behind: 1 killed")
    assert [pid for pid in site.pids(ended.id) if alive(pid)] == []


def test_a_child_that_ends_soon_after_the_entry_point_is_let_finish(site: Site) -> None:
    ended = site.run("(sleep 0.2; echo late) & exit 0")
    assert (ended.state, ended.reason) == (State.SUCCEEDED, "")
    assert site.output(ended.id) == b"late\n"


def test_one_that_closes_its_output_works_on(site: Site) -> None:
    ended = site.run("exec >&- 2>&-; sleep 0.2; exit 5")
    assert ended.exit_code == 5


NOT_STARTED = {
    "missing": (lambda site: replace(site.plan(""), entry_point="nowhere.py"), "does not exist"),
    "outside": (lambda site: replace(site.plan(""), entry_point="../../etc/passwd"), "leads out"),
    "no such interpreter": (lambda site: site.plan("#!/no/such/interpreter\n"), "/no/such/interpreter"),
    "carriage return": (lambda site: site.plan("#!/bin/sh\r\necho\r\n"), "line endings"),
    "no such Python": (lambda site: replace(site.plan("", suffix=".py"), python="/no/python"), "/no/python"),
    "NUL in an argument": (lambda site: replace(site.plan(""), args=("a\0b",)), "NUL"),
    "argument too long": (lambda site: replace(site.plan(""), args=("x" * 200_000,)), "200001 bytes"),
    "no program": (lambda site: site.plan("#!/bin/sh\n", working_dir="nowhere"), "working directory"),
}


@pytest.mark.parametrize("case", NOT_STARTED.values(), ids=NOT_STARTED)
def test_what_cannot_be_started_ends_as_failed_and_says_why(site: Site, case) -> None:  # type: ignore[no-untyped-def]  # a pair from the table
    make, words = case
    plan = make(site)
    site.executor.start(plan)
    ended = site.end_of(plan.execution.id)
    assert ended.state is State.FAILED
    assert ended.reason.startswith("not_started: ")
    assert words in ended.reason
    assert (ended.started_at, ended.pid) == (None, None)


def test_the_same_id_is_started_once(site: Site) -> None:
    plan = site.plan("echo x >> witness")
    for _ in range(3):
        site.executor.start(plan)
    site.end_of(plan.execution.id)
    site.executor.start(plan)
    site.run("exit 0")
    assert (site.project / "witness").read_text() == "x\n"
    assert len(site.ends(plan.execution.id)) == 1


def test_a_job_that_runs_is_refused_a_second_execution(site: Site) -> None:
    first = site.start(FOREVER, job="p/same")
    second = site.run("echo x > witness", job="p/same")
    assert (second.state, second.reason) == (State.FAILED, f"not_started: p/same is running already, as {first}")
    assert not (site.project / "witness").exists()
    site.executor.stop(first, by="test")
    site.end_of(first)


def test_a_job_that_has_ended_may_run_again(site: Site) -> None:
    assert site.run("exit 0", job="p/same").state is State.SUCCEEDED
    assert site.run("exit 0", job="p/same").state is State.SUCCEEDED


def test_a_terminal_is_there_when_asked_for(site: Site) -> None:
    ended = site.run("test -t 1 && test -t 2 && ! test -t 0 && stty size <&1 && echo $COLUMNS $TERM", terminal=True)
    assert ended.exit_code == 0
    assert site.output(ended.id) == b"24 120\r\n120 xterm-256color\r\n"


def test_there_is_no_terminal_unless_asked_for(site: Site) -> None:
    assert site.run("test -t 1 || test -t 2").exit_code == 1


def test_a_terminal_whose_child_stays_is_closed(site: Site) -> None:
    ended = site.run("sleep 1000 & echo $!", terminal=True)
    assert "left_behind: 1 killed" in ended.reason


def test_standard_input_is_empty(site: Site) -> None:
    ended = site.run("readlink /proc/self/fd/0; cat | wc -c")
    assert site.output(ended.id) == b"/dev/null\n0\n"


def test_no_descriptor_is_inherited(site: Site) -> None:
    code = "import os\nprint(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1])\n"
    ended = site.run(code, suffix=".py")
    assert json.loads(site.output(ended.id)) == [0, 1, 2]


def test_variables_of_the_daemon_do_not_reach_jobs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDMILL_STORE_URI", "mongodb://secret")
    monkeypatch.setenv("LD_DEBUG_OUTPUT", "secret")
    ended = site.run("env")
    assert b"secret" not in site.output(ended.id)
    assert b"WINDMILL_EXECUTION=" + ended.id.encode() in site.output(ended.id)


def test_the_values_of_secrets_are_masked(site: Site) -> None:
    ended = site.run('echo "$TOKEN"', env={"TOKEN": "hunter2hunter2"}, secret_names=("TOKEN",))
    assert site.output(ended.id) == b"***\n"


def test_files_of_a_job_have_ordinary_modes(site: Site) -> None:
    site.run("touch made")
    assert stat.S_IMODE((site.project / "made").stat().st_mode) == 0o644


def test_signals_are_as_usual(site: Site) -> None:
    code = "import signal\nprint([s.name for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN])\n"
    ended = site.run(f"#!/usr/bin/env -S python3 -I\n{code}")
    assert site.output(ended.id) == b"['SIGPIPE', 'SIGXFSZ']\n", "Python itself ignores these two"
    blocked = site.run("grep SigBlk /proc/self/status")
    assert site.output(blocked.id).split()[1] == b"0000000000000000"


def test_the_memory_limit_holds(site: Site) -> None:
    code = "import time\ntime.sleep(0.2)\nbytearray(1 << 30)\n"
    ended = site.run(code, suffix=".py", memory=512 << 20)
    assert ended.state is State.FAILED
    assert b"MemoryError" in site.output(ended.id)


def test_the_limit_of_processor_time_holds(site: Site) -> None:
    ended = site.run("while :; do :; done", cpu_time=1)
    assert (ended.state, ended.signal) == (State.FAILED, "SIGXCPU")
    assert "processor time" in ended.reason


def test_output_beyond_the_limit_is_cut_and_counted(site: Site) -> None:
    ended = site.run("head -c 1000000 /dev/zero", output_max=10_000)
    assert ended.output_bytes == 1_000_000
    assert ended.cut_bytes >= 900_000


def test_any_bytes_are_kept(site: Site) -> None:
    ended = site.run(r"printf 'a\000b\377\376\n\033[1m'")
    assert site.output(ended.id) == b"a\0b\xff\xfe\n\x1b[1m"


def test_no_method_blocks_while_a_job_floods(site: Site) -> None:
    flood = site.start("cat /dev/zero", output_max=1000)
    other = site.run("exit 0")
    site.executor.stop(flood, by="test")
    assert site.end_of(flood).state is State.STOPPED
    assert other.state is State.SUCCEEDED


def test_an_execution_stopped_by_a_signal_of_its_own_children_ends(site: Site) -> None:
    execution = site.start("echo $$; exec sleep 1000")
    site.until(lambda: site.pids(execution))
    os.kill(site.pids(execution)[0], signal.SIGKILL)
    assert site.end_of(execution).signal == "SIGKILL"
