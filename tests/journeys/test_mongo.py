"""A home whose windmill.toml names a MongoDB database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.scripts import GATED, Gate
from tests.support.waiting import until


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Live]:
    with (
        MongoServer(tmp_path / "server") as server,
        Live(tmp_path / "home", server=server) as live,
    ):
        (live.root / "windmill.toml").write_text(f'[store]\nuri = "{live.store_uri}"\n')
        yield live


def test_everything_is_kept_in_the_database_and_nothing_in_a_file(remote: Live) -> None:
    remote.script("talk.py", "print('hello')\n")
    remote.job("talk", "entry_point: talk.py\n")
    remote.up()
    assert remote.cli("run", "talk").stdout == "hello\n"
    until(lambda: [one["state"] for one in remote.json("ps", "-a")] == ["succeeded"])
    assert "p/talk" in remote.cli("jobs").stdout
    assert remote.cli("logs", "talk").stdout == "hello\n"
    assert not (remote.root / ".windmill" / "windmill.db").exists()


def test_a_lone_run_is_kept_in_the_database_too(remote: Live) -> None:
    remote.script("talk.py", "print('hello')\n")
    remote.job("talk", "entry_point: talk.py\n")
    assert remote.cli("run", "talk").stdout == "hello\n"
    assert remote.cli("logs", "talk").stdout == "hello\n"


def test_what_ran_while_the_scheduler_was_killed_is_recorded_by_the_next_one(remote: Live) -> None:
    gate = Gate(remote.root / "gate")
    remote.script("gated.py", GATED)
    remote.job("gated", f'entry_point: gated.py\nenv: {{GATE: "{gate.path}"}}\n')
    remote.up()
    until(lambda: "p/gated" in remote.cli("jobs").stdout)
    remote.cli("run", "-d", "gated")
    until(lambda: [one["state"] for one in remote.executions()] == ["running"])
    remote.kill()
    gate.open()
    remote.up()
    until(lambda: [one["state"] for one in remote.executions()] == ["succeeded"])


def test_the_password_is_shown_nowhere(remote: Live) -> None:
    uri = str(remote.store_uri).replace("mongodb://", "mongodb://me:no-secret-shown@")
    (remote.root / "windmill.toml").write_text(f'[store]\nuri = "{uri}"\n')
    remote.server = None  # the file alone names the store
    remote.up()
    said = [remote.cli(*verb.split(), check=False) for verb in ("ps", "doctor", "-v ps", "run nothing", "jobs")]
    remote.terminate()
    texts = [remote.messages(), *(one.stdout + one.stderr for one in said)]
    assert "does not accept the user or the password" in "".join(texts)
    assert [text for text in texts if "no-secret" in text] == []
