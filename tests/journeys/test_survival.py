"""kill -9 of the scheduler, of the runner, of both, while jobs run: what they wrote themselves is the witness."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.model import TERMINAL, State

JOBS = 10
LINES = 40

WITNESS = """
    import os, time
    identity = os.environ["WINDMILL_EXECUTION"]
    witness = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND)
    os.write(witness, f"start {identity}\\n".encode())
    for number in range(int(os.environ["LINES"])):
        print(f"{identity} line {number}")
        time.sleep(0.005)
    os.write(witness, f"end {identity}\\n".encode())
"""


def a_busy_home(root: Path) -> Live:
    live = Live(root, "[scheduler]\nmax_running = 20\n")
    witness = root / "witness"
    witness.touch()
    live.script("witness.py", WITNESS)
    for number in range(JOBS):
        live.job(
            f"job{number}",
            f"""
            entry_point: witness.py
            env: {{WITNESS: "{witness}", LINES: "{LINES}"}}
            schedule: {{interval: 1s, catch_up: last, spread: 1s}}
            """,
        )
    return live


def witnessed(live: Live, word: str) -> Counter[str]:
    lines = (live.root / "witness").read_text().splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith(word))


def settle(live: Live) -> None:
    """Take the jobs away and wait until nothing is open any more and the store knows of everything that began."""
    for path in (live.root / "jobs.d").iterdir():
        path.unlink()
    until(lambda: not live.json("ps"), timeout=60)
    until(lambda: {one["id"] for one in live.ended()} >= set(witnessed(live, "start")), timeout=60)


@pytest.mark.timeout(280)
def test_fifty_kills_of_the_scheduler_start_nothing_twice_and_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    with a_busy_home(tmp_path / "home") as live:
        kills = 0
        while kills < 50 or len(witnessed(live, "end")) < 200:
            live.up()
            time.sleep(chance.uniform(0.0, 0.8))  # the moment of the kill is the point of the test
            live.kill()
            kills += 1
        live.up()
        settle(live)
        started, ended = witnessed(live, "start"), witnessed(live, "end")
        known = {one["id"]: one for one in live.executions() if one["started_at"]}
        stored = {identity: live.output(identity) for identity in started}
        missing = [
            (identity, number)
            for identity, output in stored.items()
            for number in range(LINES)
            if f"{identity} line {number}\n".encode() not in output
        ]
    twice = sum(started.values()) - len(started)
    print(f"kills {kills}, executions {len(started)}, twice {twice}, missing lines {len(missing)}")
    assert len(started) >= 200
    assert [identity for identity, times in started.items() if times > 1] == []
    assert set(started) == set(ended) == set(known)
    assert {one["state"] for one in known.values()} == {"succeeded"}
    assert missing == []


@pytest.mark.timeout(280)
def test_kills_of_the_runner_too_leave_no_stray_and_one_final_state_each(tmp_path: Path) -> None:
    chance = random.Random(20261124)
    with a_busy_home(tmp_path / "home") as live:
        for kill in range(20):
            live.up()
            until(live.runners, timeout=20)
            time.sleep(chance.uniform(0.1, 0.8))  # the moment of the kill is the point of the test
            live.kill_runner()
            if kill % 2:
                live.kill()
            else:
                time.sleep(chance.uniform(0.0, 0.5))
                live.kill()
        live.up()
        settle(live)
        started = witnessed(live, "start")
        known = {one["id"]: State(one["state"]) for one in live.executions() if one["started_at"]}
        live.terminate()
        until(lambda: not live.processes(), timeout=30)
    assert [identity for identity, times in started.items() if times > 1] == []
    assert set(started) <= set(known)
    assert set(known.values()) <= TERMINAL
    assert State.LOST in known.values()
