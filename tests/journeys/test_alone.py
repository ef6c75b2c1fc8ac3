"""`windmill run` and `up --once` where no scheduler is up: the same guarantees, and nobody else's business."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.support.live import WINDMILL, Live
from tests.support.waiting import until


def test_a_slow_reader_of_a_lone_run_gets_every_byte(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("big.py", "for number in range(20_000): print(f'{number:099}')")
        live.job("big", "entry_point: big.py")
        run = subprocess.Popen(
            [*WINDMILL, "--home", str(live.root), "run", "big"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert run.stdout is not None
        until(lambda: live.ended("p/big"))  # the pipe is full long before
        with run.stdout as stdout:
            assert len(stdout.read().splitlines()) == 20_000
        assert run.wait(30) == 0


def test_a_reader_that_leaves_a_lone_run_causes_no_traceback(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("big.py", "for number in range(20_000): print(f'{number:099}')")
        live.job("big", "entry_point: big.py")
        command = f'{" ".join(WINDMILL)} --home "{live.root}" run big | head -1'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
        assert "Traceback" not in done.stderr


def test_a_second_lone_run_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("slow.py", "import time\nfor number in range(20): print(number); time.sleep(0.1)")
        live.job("slow", "entry_point: slow.py")
        first = subprocess.Popen([*WINDMILL, "--home", str(live.root), "run", "slow"], stdout=subprocess.PIPE)
        until(lambda: live.executions("p/slow"))
        second = subprocess.Popen([*WINDMILL, "--home", str(live.root), "run", "slow"], stderr=subprocess.PIPE)
        output, _ = first.communicate(timeout=60)
        second.kill()
        second.communicate(timeout=60)
        assert (first.returncode, output.split()) == (0, [str(number).encode() for number in range(20)])
        assert [one["state"] for one in live.executions("p/slow")] == ["succeeded"]


def test_a_lone_run_leaves_what_others_asked_for_to_the_scheduler(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("quick.py", "print('done')")
        live.job("a", "entry_point: quick.py")
        live.job("b", "entry_point: quick.py\nschedule: {interval: 1h}")
        live.up()
        until(lambda: len(live.json("jobs")) == 2)
        live.terminate()
        live.cli("pause", "b")
        assert live.cli("run", "a").stdout == "done\n"
        live.up()
        until(lambda: [job for job in live.json("jobs") if job["name"] == "b" and job["paused"]])


def test_up_once_does_what_is_due_and_leaves(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("quick.py", "print('done')")
        live.job("often", "entry_point: quick.py\nschedule: {interval: 1s, start_at: 2026-01-01T00:00:00Z}")
        live.cli("up", "--once")  # first sight owes nothing
        time.sleep(1.1)  # a slot passes
        live.cli("up", "--once")
        assert len(live.ended("p/often")) == 1
