from __future__ import annotations

import os
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.executor import *  # noqa: F403 - the whole suite runs here
from tests.contracts.executor import FOREVER, STUBBORN
from tests.support import site as sites
from tests.support.site import BOOT, Site, alive, descriptors, now_ms
from tests.support.waiting import until
from windmill.core.model import State
from windmill.core.ports import ExecutorEventKind, Frame, Kind
from windmill.execution.journal import Writer
from windmill.execution.local import LocalExecutor


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with sites.site(tmp_path) as opened:
        yield opened


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Site]:
    """A home whose path is longer than the address of a socket may be."""
    root = tmp_path / ("d" * 100) / ("e" * 100)
    root.mkdir(parents=True)
    with sites.site(root) as opened:
        yield opened


def test_the_length_of_the_homes_path_does_not_matter(far: Site) -> None:
    assert far.run("exit 0").state is State.SUCCEEDED


def test_state_files_and_the_socket_are_private(site: Site) -> None:
    site.run("exit 0")
    modes = {path: path.lstat().st_mode for path in site.state.rglob("*")}
    assert [path for path, mode in modes.items() if mode & 0o077] == []
    assert any(stat.S_ISSOCK(mode) for mode in modes.values())


# The scheduler dies


def test_executions_survive_the_scheduler_with_all_they_write_and_their_end(site: Site) -> None:
    execution = site.start("echo one; while ! [ -e go ]; do sleep 0.01; done; echo two; exit 3")
    site.until_it_wrote(execution, b"one")
    site.vanish()
    (site.project / "go").touch()
    until(lambda: site.recorded_end(execution))
    ended = site.recorded_end(execution)
    assert ended is not None
    assert (ended.state, ended.exit_code) == (State.FAILED, 3)
    assert site.output(execution) == b"one\ntwo\n"


def test_what_ended_while_nobody_was_there_is_in_the_journal_before_the_position_told(site: Site) -> None:
    execution = site.start("while ! [ -e go ]; do sleep 0.01; done")
    site.until(lambda: site.events)
    site.vanish()
    (site.project / "go").touch()
    until(lambda: site.recorded_end(execution))
    executor = site.arrive()
    assert execution not in executor.running()
    [position] = executor.positions().values()
    assert site.recorded_end(execution, before=position)
    site.run("exit 0")
    assert site.ends(execution) == []


def test_a_scheduler_that_comes_back_is_told_what_runs(site: Site) -> None:
    execution = site.start(FOREVER)
    site.until(lambda: site.events)
    site.vanish()
    assert site.arrive().running() == {execution}
    site.executor.stop(execution, by="ann")
    assert site.end_of(execution).state is State.STOPPED


def test_orders_a_dead_scheduler_left_in_the_socket_are_obeyed(site: Site) -> None:
    site.run("exit 0")
    [runner] = site.runners()
    os.kill(runner, signal.SIGSTOP)
    execution = site.start("exit 6")
    site.vanish()
    os.kill(runner, signal.SIGCONT)
    site.arrive()
    site.until(lambda: site.recorded_end(execution))
    assert [frame.kind for frame in site.frames(execution)] == [Kind.RECORD, Kind.END]


def test_the_runner_goes_on_while_the_scheduler_is_frozen(site: Site) -> None:
    executions = [site.start("exit 0") for _ in range(50)]
    until(lambda: all(site.recorded_end(execution) for execution in executions))
    for execution in executions:
        site.end_of(execution)
    assert len(site.events) == 100


def test_a_dropped_connection_loses_no_event_and_no_order(site: Site) -> None:
    first = site.start("while ! [ -e go ]; do sleep 0.01; done")
    site.until(lambda: site.events)
    [runner] = site.runners()
    os.kill(runner, signal.SIGSTOP)
    second = site.start("exit 0")
    rival = LocalExecutor(site.state, version="1", now_ms=now_ms, boot_id=sites.BOOT)
    os.kill(runner, signal.SIGCONT)
    rival.attach()  # the runner lets go of the older connection
    (site.project / "go").touch()
    until(lambda: site.recorded_end(first) and site.recorded_end(second))
    rival.detach()
    site.end_of(first)
    site.end_of(second)
    kinds = [(event.kind, event.execution.id) for event in site.events]
    assert len(kinds) == len(set(kinds)) == 4
    assert len(site.runners()) == 1


# The runner dies


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
def test_when_the_runner_is_killed_its_trees_are_removed_and_recorded_as_lost(site: Site, script: str) -> None:
    execution = site.start(script)
    site.until_it_wrote(execution, b"ready")
    site.kill_runners()
    ended = site.end_of(execution)
    assert (ended.state, ended.reason) == (State.LOST, "runner_killed")
    assert [pid for pid in site.pids(execution) if alive(pid)] == []


def test_what_a_lost_execution_told_before_stays_known(site: Site) -> None:
    execution = site.start(f"echo ::progress 0.5; {FOREVER}")
    site.until(lambda: site.records(execution) and site.records(execution)[-1].progress)
    site.kill_runners()
    ended = site.end_of(execution)
    assert (ended.state, ended.progress["value"]) == (State.LOST, 0.5)


def test_the_next_runner_serves(site: Site) -> None:
    execution = site.start(FOREVER, job="p/same")
    site.until(lambda: site.events)
    site.kill_runners()
    assert site.end_of(execution).state is State.LOST
    assert site.run("exit 0", job="p/same").state is State.SUCCEEDED
    assert len(site.events) == 4


def test_until_its_processes_are_gone_a_lost_job_does_not_start_again(site: Site) -> None:
    execution = site.start(FOREVER, job="p/same")
    site.until(lambda: site.events)
    site.kill_runners()
    second = site.start("exit 0", job="p/same")
    site.end_of(execution)
    outcome = site.end_of(second)
    ends = [event.execution.id for event in site.events if event.kind is ExecutorEventKind.ENDED]
    assert outcome.state is State.SUCCEEDED or "running already" in outcome.reason
    assert outcome.state is State.FAILED or ends == [execution, second]


def test_orders_the_runner_did_not_live_to_obey_go_to_the_next_one(site: Site) -> None:
    site.run("exit 0")
    [runner] = site.runners()
    os.kill(runner, signal.SIGSTOP)
    execution = site.start("echo x >> witness")
    os.kill(runner, signal.SIGKILL)
    assert site.end_of(execution).state is State.SUCCEEDED
    assert (site.project / "witness").read_text() == "x\n"


def test_an_execution_that_ended_unannounced_before_the_runner_died_is_not_run_again(site: Site) -> None:
    execution = site.start("echo x >> witness")
    until(lambda: site.recorded_end(execution))
    site.kill_runners()
    assert site.end_of(execution).state is State.SUCCEEDED
    site.run("exit 0")
    assert (site.project / "witness").read_text() == "x\n"
    assert len(site.ends(execution)) == 1


def test_streams_of_dead_runners_are_settled_when_all_is_recorded(site: Site) -> None:
    execution = site.start(FOREVER)
    site.until(lambda: site.events)
    [dead] = [stream for stream in site.journal.streams() if site.journal.alive(stream)]
    site.kill_runners()
    site.end_of(execution)
    site.until(lambda: site.journal.settled(dead))


def test_scheduler_and_runner_killed_together_leave_lost_executions(site: Site) -> None:
    execution = site.start(STUBBORN["daemon without environment"])
    site.until_it_wrote(execution, b"ready")
    site.vanish()
    site.kill_runners()
    assert site.arrive().running() >= {execution} - {event.execution.id for event in site.events}
    assert site.end_of(execution).reason == "runner_killed"
    assert [pid for pid in site.pids(execution) if alive(pid)] == []


def test_after_a_reboot_executions_are_lost_and_nobody_is_killed(site: Site) -> None:
    execution = site.start("echo $$; exec sleep 1000")
    site.until(lambda: site.pids(execution))
    site.vanish()
    site.kill_runners()
    site.arrive(boot_id="another-boot")
    ended = site.end_of(execution)
    assert (ended.state, ended.reason) == (State.LOST, "reboot")
    [pid] = site.pids(execution)
    assert alive(pid), "after a reboot the numbers mean other processes"
    os.kill(pid, signal.SIGKILL)


def damage(site: Site, stream: str) -> None:
    """Put entries that make no sense at the end of a dead runner's stream."""
    until(lambda: not site.journal.alive(stream))
    writer = Writer(site.state / "journal", stream, boot_id=BOOT, now_ms=now_ms, checkpoint=list)
    writer.append([Frame(kind, "f" * 16, 0, 0, 0, b'{"id"') for kind in (Kind.RECORD, Kind.END, Kind.RECORD)])
    writer.close(settled=False)


@pytest.mark.parametrize("scheduler_stays", [True, False])
def test_entries_that_make_no_sense_hold_up_nobody(site: Site, scheduler_stays: bool) -> None:
    site.run("exit 0")
    [stream] = site.journal.streams()
    if not scheduler_stays:
        site.vanish()
    site.kill_runners()
    damage(site, stream)
    assert site.run("exit 0").state is State.SUCCEEDED
    site.until(lambda: site.journal.settled(stream))


def test_a_runner_that_dies_while_it_clears_up_leaves_that_to_the_next(site: Site) -> None:
    execution = site.start(FOREVER)
    site.until(lambda: site.events)
    [first] = site.runners()
    os.kill(first, signal.SIGKILL)
    site.until(lambda: [pid for pid in site.runners() if pid != first])
    site.kill_runners()
    assert site.end_of(execution).state is State.LOST
    assert len(site.ends(execution)) == 1


def test_sigterm_stops_everything_and_records_it(site: Site) -> None:
    execution = site.start(STUBBORN["ignores TERM"])
    site.until_it_wrote(execution, b"ready")
    [runner] = site.runners()
    os.kill(runner, signal.SIGTERM)
    assert site.end_of(execution).reason == "stopped by SIGTERM"
    assert site.run("exit 0").state is State.SUCCEEDED


# Another version comes


def test_a_runner_of_another_version_finishes_and_a_new_one_starts(site: Site) -> None:
    old = site.start("while ! [ -e go ]; do sleep 0.01; done; exit 3")
    site.until(lambda: site.events)
    site.vanish()
    site.arrive(version="2")
    assert site.executor.running() == {old}
    assert site.run("exit 0").state is State.SUCCEEDED
    assert len(site.runners()) == 2
    (site.project / "go").touch()
    assert site.end_of(old).exit_code == 3
    site.until(lambda: len(site.runners()) == 1)


def test_an_execution_of_the_older_runner_can_be_stopped(site: Site) -> None:
    old = site.start(FOREVER)
    site.until(lambda: site.events)
    site.vanish()
    site.arrive(version="2").stop(old, by="ann")
    assert site.end_of(old).reason == "stopped by ann"


def test_a_job_that_runs_in_the_older_runner_is_refused_by_the_new_one(site: Site) -> None:
    old = site.start(FOREVER, job="p/same")
    site.until(lambda: site.events)
    site.vanish()
    site.arrive(version="2")
    refused = site.run("exit 0", job="p/same")
    assert refused.reason == f"not_started: p/same is running already, as {old}"
    site.executor.stop(old, by="test")
    site.end_of(old)


def test_what_an_older_runner_loses_the_new_one_answers_for(site: Site) -> None:
    old = site.start(FOREVER)
    site.until(lambda: site.events)
    [runner] = site.runners()
    site.vanish()
    site.arrive(version="2")
    os.kill(runner, signal.SIGKILL)
    assert site.end_of(old).state is State.LOST


# The machine is short of something


def test_a_start_waits_for_descriptors(site: Site) -> None:
    site.run("exit 0")
    [runner] = site.runners()
    before = resource.prlimit(runner, resource.RLIMIT_NOFILE)
    resource.prlimit(runner, resource.RLIMIT_NOFILE, (3, before[1]))
    execution = site.start("exit 0")
    site.until(lambda: site.frames(execution))
    assert not site.ends(execution)
    resource.prlimit(runner, resource.RLIMIT_NOFILE, before)
    assert site.end_of(execution).state is State.SUCCEEDED


def test_jobs_get_the_limit_of_open_files_that_the_runner_was_given(site: Site) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 100, before[1]))
    try:
        site.arrive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    ended = site.run("sleep 0.1; ulimit -Sn")
    assert int(site.output(ended.id)) == before[0] - 100


def test_the_runner_keeps_no_descriptor_of_ended_executions(site: Site) -> None:
    site.run("exit 0")
    [runner] = site.runners()
    before = descriptors(runner)
    for number in range(10):
        site.run("exit 0", terminal=bool(number % 2), working_dir="nowhere" if number == 3 else None)
    assert descriptors(runner) == before
    until(lambda: not Path(f"/proc/{runner}/task/{runner}/children").read_text())
