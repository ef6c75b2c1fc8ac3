"""Many commits in a row, and kills at any moment: every execution runs one commit, and the newest one wins."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.support.pulled import SYNC, Pulled
from tests.support.waiting import until
from windmill.core.documents import Document

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
COMMITS: Final = 40
KILLS: Final = 20
JOBS: Final = ("a", "b", "c", "d")
CODE: Final = "import sys\nimport number\nprint(number.NUMBER, *sys.argv[1:])\n"


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[Pulled]:
    pulled = Pulled(tmp_path)
    with pulled.home:
        yield pulled


def commit(pulled: Pulled, number: int) -> str:
    """Commit a state in which the code and the arguments of every job bear the number."""
    pulled.upstream.write({"number.py": f"NUMBER = {number}\n"})
    job = f"entry_point: main.py\nargs: ['{number}']\nschedule: {{interval: 1s, spread: 1s}}\n"
    return pulled.commit(CODE, f"Number {number}", **dict.fromkeys(JOBS, job))


def mixed(pulled: Pulled, *, but: tuple[str, ...] = ()) -> list[str]:
    """The executions whose code and arguments are of different commits, or that failed; `but` are states to skip."""
    found = []
    for job in JOBS:
        for one in pulled.home.ended(f"reports/{job}"):
            if one["state"] in but:
                continue
            words = pulled.home.output(one["id"]).decode().split()
            if len(set(words)) != 1 or one["subject"] != f"Number {words[0]}":
                found.append(f"{job} {one['state']} {one['reason']} {one['subject']}: {words}")
    return found


def overlaps(executions: list[Document]) -> list[str]:
    """The executions of one job that began before the one before them had ended."""
    ordered = sorted((one for one in executions if one["started_at"]), key=lambda one: str(one["started_at"]))
    return [later["id"] for one, later in pairwise(ordered) if later["started_at"] < one["ended_at"]]


def leftovers(pulled: Pulled) -> list[str]:
    """What half-done work has left in the state directory."""
    state = pulled.home.root / ".windmill"
    places = (state / "revisions" / "reports", state / "environments", state / "projects", state / "mirrors")
    names = [path.name for place in places if place.is_dir() for path in place.iterdir()]
    return [name for name in names if name.startswith((".tmp", ".trash", ".new", ".files", ".old")) or ".tmp" in name]


def test_no_execution_mixes_two_commits(pulled: Pulled) -> None:
    commit(pulled, 0)
    pulled.home.up()
    until(lambda: pulled.home.ended("reports/a"))
    for number in range(1, COMMITS):
        newest = commit(pulled, number)
        time.sleep(random.uniform(0, 2))
    until(lambda: pulled.live() == newest, timeout=60)
    assert mixed(pulled) == []


def test_no_execution_mixes_two_commits_when_schedulers_are_killed(pulled: Pulled) -> None:
    newest = commit(pulled, 0)
    pulled.home.up()
    for number in range(1, KILLS):
        newest = commit(pulled, number)
        time.sleep(random.uniform(0.2, 2.5))
        pulled.home.kill()
        pulled.home.up()
    until(lambda: pulled.live() == newest, timeout=60)
    assert mixed(pulled) == []


def kill_sync(pulled: Pulled) -> None:
    """kill -9 the process of a sync, but not what it started."""
    for pid in pulled.home.processes():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"windmill.app.sync" in words:
                os.kill(pid, signal.SIGKILL)


def kill_scheduler(pulled: Pulled) -> None:
    pulled.home.kill()
    pulled.home.up()


def kill_runner(pulled: Pulled) -> None:
    pulled.home.kill_runner()


@pytest.mark.parametrize("kill", [kill_sync, kill_runner, kill_scheduler])
def test_the_newest_commit_goes_live_whatever_was_killed_meanwhile(
    pulled: Pulled, kill: Callable[[Pulled], None]
) -> None:
    newest = commit(pulled, 0)
    pulled.home.up()
    for number in range(1, KILLS):
        known = len(pulled.home.executions(SYNC))
        newest = commit(pulled, number)
        until(lambda known=known: len(pulled.home.executions(SYNC)) > known, timeout=60)  # type: ignore[misc]
        time.sleep(random.uniform(0, 1.2))
        kill(pulled)
    until(lambda: pulled.live() == newest, timeout=60)
    commit(pulled, KILLS)
    pulled.home.cli("sync")
    assert leftovers(pulled) == []
    for job in (SYNC, *(f"reports/{job}" for job in JOBS)):
        assert overlaps(pulled.home.ended(job)) == []
    assert mixed(pulled, but=("lost", "stopped")) == []
