"""What a person does on the first day, in two terminals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import windmill
from tests.support.live import WINDMILL, Live
from tests.support.scripts import Gate
from tests.support.waiting import until

TALKER = """
    import os, sys
    print("region", os.environ["WINDMILL_PARAM_REGION"])
    print("to stderr", file=sys.stderr)
    sys.exit(7)
"""
TALKER_JOB = """
    entry_point: talker.py
    params: [{name: region, default: BR, enum: [BR, PT]}]
"""


def begun(live: Live, job: str = "p/gated", *, times: int = 1) -> str:
    """Wait until that many executions of the job have said so, and return the id of the latest."""
    until(
        lambda: len(ids := running(live, job)) and len(live.executions(job)) == times and said(live, ids[-1], "begun")
    )
    return running(live, job)[-1]


def running(live: Live, job: str) -> list[str]:
    return [one["id"] for one in live.executions(job) if one["state"] == "running"]


def said(live: Live, identity: str, word: str) -> bool:
    return word.encode() in live.output(identity)


def pid_of(live: Live, script: str) -> int:
    return next(pid for pid in live.processes() if script in Path(f"/proc/{pid}/cmdline").read_text())


def test_a_new_home_runs_its_sample_within_ten_seconds(tmp_path: Path) -> None:
    subprocess.run([*WINDMILL, "init", "h"], cwd=tmp_path, check=True, capture_output=True)
    with Live(tmp_path / "h", settings=None) as live:
        live.up()
        until(lambda: live.executions("hello/hello"), timeout=10)
        until(lambda: live.ended("hello/hello"))
        done = live.ended("hello/hello")[0]
        assert done["state"] == "succeeded"
        assert live.output(done["id"]).decode().splitlines()[-2:] == ["step 8 of 8", "done"]


def test_another_terminal_in_the_home_sees_follows_and_stops_what_runs(live: Live, gate: Gate) -> None:
    live.up()
    live.cli("run", "-d", "gated")
    identity = begun(live)
    shown = subprocess.run([*WINDMILL, "ps", "--json"], cwd=live.root, check=True, capture_output=True, text=True)
    assert f'"id": "{identity}"' in shown.stdout
    with live.terminal("logs", "-f", "gated") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "begun\n"
        assert follower.poll() is None
        live.cli("stop", "gated")
        assert follower.wait(20) == 0
    assert [(one["id"], one["state"]) for one in live.ended()] == [(identity, "stopped")]
    assert live.json("ps") == []


@pytest.mark.parametrize("up", [True, False], ids=["through the scheduler", "alone"])
def test_run_shows_the_output_and_leaves_with_the_exit_code_of_the_job(live: Live, up: bool) -> None:
    live.script("talker.py", TALKER)
    live.job("talker", TALKER_JOB)
    if up:
        live.up()
        until(lambda: live.cli("jobs", check=False).returncode == 0 and live.json("jobs"))
    done = live.cli("run", "talker", "-p", "region=PT", check=False)
    assert done.returncode == 7
    assert "region PT" in done.stdout
    assert "to stderr" in done.stdout + done.stderr
    assert live.ended()[0]["params"] == {"region": "PT"}


@pytest.mark.parametrize("up", [True, False], ids=["through the scheduler", "alone"])
def test_run_refuses_a_param_the_job_does_not_know(live: Live, up: bool) -> None:
    live.script("talker.py", TALKER)
    live.job("talker", TALKER_JOB)
    if up:
        live.up()
        until(lambda: live.json("jobs"))
    done = live.cli("run", "talker", "-p", "region=XX", check=False)
    assert done.returncode == 1
    assert "region" in done.stderr
    assert "BR" in done.stderr
    assert live.executions() == []


@pytest.mark.parametrize("up", [True, False], ids=["through the scheduler", "alone"])
def test_output_is_shown_while_the_job_still_runs(live: Live, gate: Gate, up: bool) -> None:
    if up:
        live.up()
    with live.terminal("run", "gated") as person:
        assert person.stdout is not None
        assert person.stdout.readline() == "begun\n"
        gate.open()
        assert person.stdout.read() == "ended\n"
        assert person.wait(20) == 0


def test_a_manual_start_of_a_running_job_is_refused_and_names_the_execution(live: Live, gate: Gate) -> None:
    live.up()
    identity = live.cli("run", "--detach", "gated").stdout.strip()
    assert begun(live) == identity
    refused = live.cli("run", "gated", check=False)
    assert refused.returncode == 1
    assert identity in refused.stderr


def test_a_run_that_waits_starts_when_the_present_one_has_ended(live: Live, gate: Gate) -> None:
    live.up()
    first = live.cli("run", "-d", "gated").stdout.strip()
    begun(live)
    with live.terminal("run", "--wait", "gated") as waiting:
        until(lambda: live.json("show", "gated")["job"]["id"])
        gate.open()
        assert waiting.wait(20) == 0
    one, other = live.ended("p/gated")
    assert (one["id"], other["trigger"]) == (first, "manual")
    assert other["started_at"] >= one["ended_at"]


def test_rerun_starts_the_job_again_with_the_same_params(live: Live) -> None:
    live.script("talker.py", TALKER)
    live.job("talker", TALKER_JOB)
    live.up()
    until(lambda: live.json("jobs"))
    first = live.cli("run", "-d", "talker", "-p", "region=PT").stdout.strip()
    until(live.ended)
    again = live.cli("rerun", first[:6], check=False)
    assert again.returncode == 7
    assert "region PT" in again.stdout


def test_slots_of_a_paused_job_are_skipped_and_say_so_until_it_is_resumed(live: Live) -> None:
    live.script("quick.py", "print('quick')\n")
    live.job("quick", "entry_point: quick.py\nschedule: {interval: 500ms}\n")

    def verdicts() -> list[str]:
        return [str(one["reason"]) or str(one["state"]) for one in live.executions("p/quick")]

    live.up()
    until(lambda: "succeeded" in verdicts())
    live.cli("pause", "quick", "--note", "upgrade")
    until(lambda: verdicts().count("paused") >= 3)
    shown = live.json("show", "quick")
    assert shown["job"]["paused"]["note"] == "upgrade"
    assert "Skipped: the job was paused" in [one["verdict"] for one in shown["verdicts"]]
    started_before = verdicts().count("succeeded")
    live.cli("resume", "quick")
    until(lambda: verdicts().count("succeeded") > started_before)
    assert live.json("show", "quick")["job"]["paused"] is None


def test_a_pause_asked_for_while_no_scheduler_ran_takes_effect_when_one_starts(live: Live) -> None:
    live.script("quick.py", "print('quick')\n")
    live.job("quick", "entry_point: quick.py\nschedule: {interval: 500ms}\n")
    live.cli("pause", "quick", "--note", "upgrade")
    for number in range(300):  # reading them takes longer than asking for what is wanted
        live.job(f"other{number}", "entry_point: quick.py\n")
    live.up()
    until(lambda: live.executions("p/quick"))
    until(lambda: live.json("show", "quick")["job"]["paused"])
    until(lambda: [one["reason"] for one in live.executions("p/quick")][-2:] == ["paused", "paused"])


def test_sigterm_leaves_running_jobs_alone_and_the_next_up_records_their_end(live: Live, gate: Gate) -> None:
    live.up()
    live.cli("run", "-d", "gated")
    identity = begun(live)
    pid = pid_of(live, "gated.py")
    assert live.terminate(timeout=2) == 0
    os.kill(pid, 0)
    assert "Left 1 running execution(s)" in live.messages()
    gate.open()
    until(lambda: not Path(f"/proc/{pid}").exists())
    live.up()
    until(live.ended)
    assert [(one["id"], one["state"]) for one in live.ended()] == [(identity, "succeeded")]
    assert live.output(identity) == b"begun\nended\n"


def test_the_first_interrupt_waits_for_running_jobs_and_starts_nothing_more(live: Live, gate: Gate) -> None:
    scheduler = live.up()
    live.script("quick.py", "print('quick')\n")
    live.job("quick", "entry_point: quick.py\nschedule: {interval: 200ms}\n")
    live.cli("run", "-d", "gated")
    begun(live)
    until(lambda: live.ended("p/quick"))
    scheduler.send_signal(signal.SIGINT)
    until(lambda: "Ctrl-C again stops them" in live.messages())
    assert scheduler.poll() is None
    until(lambda: not running(live, "p/quick"))
    started = len(live.ended("p/quick"))
    gate.open()
    assert scheduler.wait(20) == 0
    assert [one["state"] for one in live.ended("p/gated")] == ["succeeded"]
    assert len(live.ended("p/quick")) <= started + 1  # one may have been on its way


def test_the_second_interrupt_stops_running_jobs(live: Live, gate: Gate) -> None:
    scheduler = live.up()
    live.cli("run", "-d", "gated")
    begun(live)
    scheduler.send_signal(signal.SIGINT)
    until(lambda: "Ctrl-C again stops them" in live.messages())
    scheduler.send_signal(signal.SIGINT)
    assert scheduler.wait(20) == 0
    assert [one["state"] for one in live.ended()] == ["stopped"]


def test_a_second_scheduler_is_refused_and_is_told_who_holds_the_home(live: Live) -> None:
    holder = live.up()
    refused = live.cli("up", check=False)
    assert refused.returncode == 1
    assert f"process {holder.pid} on " in refused.stderr
    assert holder.poll() is None


def test_a_hangup_reads_what_the_kernel_does_not_tell(live: Live, tmp_path: Path) -> None:
    linked = tmp_path / "elsewhere.yaml"
    linked.write_text("entry_point: quick.py\nowner: before\n")
    live.script("quick.py", "")
    (live.root / "jobs.d" / "linked.yaml").symlink_to(linked)
    scheduler = live.up()

    def owner() -> str:
        return str(live.json("show", "p/linked")["job"]["owner"])

    until(lambda: live.json("jobs"))
    linked.write_text("entry_point: quick.py\nowner: after\n")
    assert owner() == "before"
    scheduler.send_signal(signal.SIGHUP)
    until(lambda: owner() == "after", timeout=15)


def test_a_hangup_right_after_the_start_does_no_harm(live: Live) -> None:
    for _ in range(3):
        scheduler = live.up()
        scheduler.send_signal(signal.SIGHUP)
        assert live.terminate() == 0


def test_the_runner_of_an_older_version_finishes_what_it_runs_beside_a_new_one(
    live: Live, gate: Gate, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(Path(windmill.__file__).parent, older / "windmill", ignore=shutil.ignore_patterns("__pycache__"))
    (older / "windmill" / "__init__.py").write_text('"""An older one."""\n\n__version__ = "0.0.1"\n')
    live.script("quick.py", "print('quick')\n")
    live.job("quick", "entry_point: quick.py\n")
    live.up(version=older)
    live.cli("run", "-d", "gated")
    identity = begun(live)
    assert "WindMill 0.0.1" in live.messages()
    live.terminate()
    live.up()
    until(lambda: len(live.runners()) == 2)
    assert live.cli("run", "quick").stdout == "quick\n"
    assert live.cli("run", "gated", check=False).returncode == 1
    gate.open()
    until(lambda: live.ended("p/gated"))
    assert [(one["id"], one["state"]) for one in live.ended("p/gated")] == [(identity, "succeeded")]
    until(lambda: len(live.runners()) == 1)
