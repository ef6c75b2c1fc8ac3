"""Faults that take their time, or the machine's disk: floods, a full disk, kills at random."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import site as sites
from tests.support.site import Site
from tests.support.waiting import until
from windmill.core.model import TERMINAL, State
from windmill.core.ports import Kind, Position

GIGABYTE = 1 << 30


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with sites.site(tmp_path) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Site]:
    """A home whose journal lies on a disk of four megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with sites.site(tmp_path) as opened:
        journal = opened.state / "journal"
        journal.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(journal)], check=True)
        try:
            yield opened
            opened.close()
        finally:
            subprocess.run(["umount", "-l", str(journal)], check=True)


def fill(site: Site) -> None:
    """Leave no byte of the journal's disk."""
    with (site.state / "journal" / "waste").open("wb", buffering=0) as waste, suppress(OSError):
        while waste.write(bytes(4096)):
            pass


def start_bulky(site: Site, script: str) -> str:
    """Start an execution whose documents do not fit into what is left of a block of the disk."""
    plan = site.plan(script)
    site.executor.start(replace(plan, execution=replace(plan.execution, params={"text": "x" * 20_000})))
    return plan.execution.id


def peak_memory(pid: int) -> int:
    """Return the most memory the process has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def ship(site: Site, marks: dict[str, Position]) -> None:
    """Be the recorder: read on and release."""
    for stream in site.journal.streams():
        position = marks.get(stream, Position(0, 0))
        while True:
            frames, after = site.journal.read(stream, position)
            position = after
            if not frames:
                break
        marks[stream] = position
        site.journal.release(stream, position)


def test_a_gigabyte_of_output_needs_little_memory_and_is_counted(site: Site) -> None:
    site.run("exit 0")
    [runner] = site.runners()
    before = peak_memory(runner)
    execution = site.start(f"head -c {GIGABYTE} /dev/zero", output_max=64 << 20)
    marks: dict[str, Position] = {}
    while not site.ends(execution):
        ship(site, marks)
        site.drive()
    ended = site.end_of(execution)
    assert ended.output_bytes == GIGABYTE
    assert ended.cut_bytes >= GIGABYTE - (80 << 20)
    assert peak_memory(runner) - before < 64 << 20


def test_a_line_of_a_hundred_megabytes_is_kept_whole(site: Site) -> None:
    ended = site.run(f"head -c {100 << 20} /dev/zero", output_max=256 << 20)
    assert (ended.output_bytes, ended.cut_bytes) == (100 << 20, 0)
    assert len(site.output(ended.id)) == 100 << 20


def test_on_a_full_disk_the_end_is_kept_and_what_was_lost_is_counted(small: Site) -> None:
    ended = small.run("head -c 20000000 /dev/urandom; exit 3", output_max=64 << 20)
    assert (ended.state, ended.exit_code) == (State.FAILED, 3)
    assert ended.output_bytes == 20_000_000
    assert len(small.output(ended.id)) + ended.cut_bytes == 20_000_000
    assert ended.cut_bytes > 0


def test_an_end_finds_room_on_a_disk_that_is_full_to_the_last_byte(small: Site) -> None:
    execution = start_bulky(small, "echo ready; while ! [ -e go ]; do sleep 0.01; done; exit 3")
    small.until_it_wrote(execution, b"ready")
    fill(small)
    (small.project / "go").touch()
    assert small.end_of(execution).exit_code == 3


def test_on_a_full_disk_a_start_waits_for_room(small: Site) -> None:
    small.run("exit 0")
    fill(small)
    execution = start_bulky(small, "exit 0")
    for _ in range(20):
        small.drive()
    assert not small.frames(execution)
    (small.state / "journal" / "waste").unlink()
    assert small.end_of(execution).state is State.SUCCEEDED


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_killed_when_every_execution_starts_at_most_once_and_ends_once(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    started = []
    for _ in range(40):
        started.append(site.start('echo x >> "$WINDMILL_EXECUTION"; sleep 0.02'))
        match chance.randrange(5):
            case 0:
                site.kill_runners()
            case 1:
                site.executor.flush()
                site.vanish()
            case _:
                site.drive()
    for execution in started:
        site.until(lambda execution=execution: site.recorded_end(execution) or not site.known(execution))  # type: ignore[misc]  # bound now
    for execution in started:
        witness = site.project / execution
        assert not witness.exists() or witness.read_text() == "x\n"
        ends = [frame for frame in site.frames(execution) if frame.kind == Kind.END]
        assert len(ends) <= 1
        assert all(State(json.loads(end.payload)["state"]) in TERMINAL for end in ends)
        assert bool(ends) == any(frame.kind == Kind.RECORD for frame in site.frames(execution))


def test_a_fork_bomb_is_ended_by_a_stop(site: Site) -> None:
    execution = site.start("echo ready; while :; do (sleep 5 & sleep 5) & sleep 0.002; done")
    site.until_it_wrote(execution, b"ready")
    site.executor.stop(execution, by="ann")
    assert site.end_of(execution).reason == "stopped by ann"


def test_without_scheduler_and_executions_the_runner_ends_and_leaves_a_settled_stream(site: Site) -> None:
    site.run("exit 0")
    [stream] = site.journal.streams()
    site.vanish()
    until(lambda: not site.runners(), timeout=60)
    assert site.journal.settled(stream)
    assert site.run("exit 0").state is State.SUCCEEDED


def test_runners_that_die_at_once_are_not_replaced_without_pause(site: Site) -> None:
    execution = site.start("while :; do sleep 1; done")
    seen = set()
    for _ in range(300):
        site.drive()
        seen |= set(site.runners())
        site.kill_runners()
    assert len(seen) < 10
    assert site.end_of(execution, timeout=60).state is State.LOST  # the last pause is up to 30 s
