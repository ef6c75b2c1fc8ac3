"""A mistake saved into windmill.toml while everything runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.waiting import until

JOB = "project: p\nentry_point: sleeper.py\nschedule: {interval: 1h}\nkill_grace: 1s\n"
SLEEPER = 'import time\nprint("begun", flush=True)\ntime.sleep(600)\n'
BROKEN = "\n[projects.x\n"


def broken(live: Live) -> Path:
    """Bring up the home with its one job, break windmill.toml, and wait until that is known."""
    live.script("sleeper.py", SLEEPER)
    live.job("sleeper", JOB)
    live.up()
    until(lambda: live.json("jobs"))
    settings = live.root / "windmill.toml"
    with settings.open("a") as file:
        file.write(BROKEN)
    until(lambda: "not valid TOML" in live.messages(), what="the mistake in the log")
    return settings


def problems(live: Live) -> list[tuple[str, int]]:
    found = json.loads(live.cli("--json", "problems", check=False).stdout)
    return [(problem["file"], problem["line"]) for problem in found]


def test_it_is_listed_with_its_line_and_logged_once_as_is_its_mending(live: Live) -> None:
    settings = broken(live)
    until(lambda: problems(live) == [("windmill.toml", 2)])
    live.job("another", JOB)
    until(lambda: len(live.json("jobs")) == 2)
    settings.write_text("")
    until(lambda: problems(live) == [])
    said = live.messages()
    assert (said.count("not valid TOML"), said.count("windmill.toml is good again")) == (1, 1)


def test_jobs_are_started_shown_paused_and_stopped_all_the_same(live: Live) -> None:
    broken(live)
    identity = live.cli("run", "-d", "sleeper").stdout.strip()
    until(lambda: "begun" in live.cli("logs", "sleeper").stdout)
    assert [one["id"] for one in live.json("ps")] == [identity]
    for verb in (["show", "sleeper"], ["jobs"], ["pause", "sleeper", "--until", "2h"], ["stop", "sleeper"]):
        live.cli(*verb)
    assert [one["state"] for one in live.ended()] == ["stopped"]


def test_without_a_scheduler_no_store_is_guessed(live: Live) -> None:
    broken(live)
    live.terminate()
    done = live.cli("ps", check=False)
    assert (done.returncode, "windmill.toml:2" in done.stderr) == (1, True)


def test_the_database_stays_the_one_that_the_scheduler_uses(tmp_path: Path) -> None:
    with MongoServer(tmp_path / "server") as server, Live(tmp_path / "home", server=server) as live:
        broken(live)
        live.cli("run", "-d", "sleeper")
        assert [one["job"] for one in live.json("ps")] == ["p/sleeper"]
        assert not (live.root / ".windmill" / "windmill.db").exists()
