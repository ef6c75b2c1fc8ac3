"""`windmill up` as a service that tells systemd how it is."""

from __future__ import annotations

import configparser
import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.scheduler.test_service import Manager
from tests.support.live import Live
from tests.support.repository import ROOT, page
from tests.support.waiting import until


def test_systemd_hears_the_whole_life(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    live.script("hello.py", "")
    live.job("hello", "entry_point: hello.py\n")
    heard: list[str] = []
    with closing(Manager(str(tmp_path / "notify"))) as manager:

        def told(word: str, *, times: int = 1) -> bool:
            heard.extend(manager.heard())
            return heard.count(word) >= times

        live.up()
        until(lambda: told("READY=1"), what="it is ready")
        until(lambda: told("STATUS=jobs: 1, running: 0, waiting: 0, problems: 0"), what="it says how it is")
        until(lambda: told("WATCHDOG=1", times=3), what="the loop turns")
        live.cli("run", "hello")
        assert all(b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes() for pid in live.runners())
        live.terminate()
        until(lambda: told("STOPPING=1"), what="it says that it ends")
    assert heard.count("READY=1") == 1


def test_the_manual_shows_the_example_of_a_unit() -> None:
    assert (ROOT / "examples" / "windmill.service").read_text() in page("operating.md")


def test_the_example_of_a_unit_leaves_jobs_alone_and_watches_the_loop() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as the library documents it
    unit.read_string((ROOT / "examples" / "windmill.service").read_text())
    service = unit["Service"]
    assert (service["Type"], service["KillMode"], service["WatchdogSec"]) == ("notify", "process", "30")


@pytest.mark.parametrize("how", ["option", "setting"])
def test_everything_that_is_said_in_json_is_json(live: Live, how: str) -> None:
    (live.root / "windmill.toml").write_text('[log]\nformat = "json"\n' if how == "setting" else "")
    live.script("hello.py", "")
    live.job("hello", "entry_point: hello.py\n")
    live.up("--port", "0", *(["--log-format", "json"] if how == "option" else []))
    until(lambda: "Dashboard: " in live.messages(), what="the dashboard is up")
    live.cli("run", "hello")
    until(lambda: "execution.ended" in live.messages())
    live.terminate()
    records = [json.loads(line) for line in live.messages().splitlines()]
    assert {"said", "catalog.read", "execution.ended"} <= {record["event"] for record in records}
    assert "sign-in?" not in live.messages()
    assert "/sign-in" not in live.messages()
