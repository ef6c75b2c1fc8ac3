"""The store is away while a job floods: the journal takes what its limit allows, and every byte is accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.scheduler import backlog

WRITTEN = 96 << 20
FLOOD = f"""
    import os, pathlib, sys, time
    sys.stdout.write("head\\n")
    sys.stdout.flush()
    while not pathlib.Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    left = {WRITTEN} - 5
    while left:
        left -= sys.stdout.write("x" * min(left, 65535) if left < 65536 else "x" * 65535 + "\\n")
"""
TICK = "import os; open(os.environ['TICKS'] + '/' + os.environ['WINDMILL_EXECUTION'], 'w').close(); print('tick')\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    with MongoServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def live(server: MongoServer, tmp_path: Path) -> Iterator[Live]:
    with Live(tmp_path / "home", '[scheduler]\njournal_max_size = "64MiB"\n', server=server) as live:
        (live.root / "ticks").mkdir()
        live.script("flood.py", FLOOD)
        live.script("tick.py", TICK)
        live.job("flood", f"entry_point: flood.py\noutput: {{max_size: 1GiB}}\nenv: {{GATE: {live.root}/gate}}\n")
        live.job(
            "tick",
            f"entry_point: tick.py\nenv: {{TICKS: {live.root}/ticks}}\n"
            "schedule: {interval: 1s, start_at: 2026-01-01T00:00:00Z}\n",
        )
        yield live


def started(live: Live) -> set[str]:
    return {path.name for path in (live.root / "ticks").iterdir()}


def ended(live: Live, job: str) -> dict[str, Document]:
    return {one["id"]: one for one in live.ended(job)}


def kept(live: Live, execution: str) -> int:
    return len(live.output(execution))


def full(live: Live) -> bool:
    return bool((backlog.read(live.root / ".windmill") or {}).get("full"))


def checks(live: Live) -> dict[str, str]:
    told = json.loads(live.cli("--json", "doctor", check=False).stdout)
    return {check["about"]: check["found"] for check in told}


def test_a_flood_while_the_store_is_away_is_cut_and_counted_and_costs_others_nothing(
    live: Live, server: MongoServer
) -> None:
    live.up()
    live.cli("run", "flood", "--detach")
    until(lambda: any(one["state"] == "running" for one in live.executions("p/flood")))
    until(lambda: ended(live, "p/tick"))
    server.stop()
    (live.root / "gate").touch()
    until(lambda: full(live), timeout=60)

    said = checks(live)
    assert "full with " in said["journal"]
    assert "the store is away since" in said["store"]
    told = live.cli("ps", check=False).stderr
    assert "the store is away since" in told
    assert "output that does not fit is cut" in told
    before = started(live)
    until(lambda: len(started(live)) >= len(before) + 2)  # jobs go on

    server.start()
    until(lambda: ended(live, "p/flood"), timeout=120)
    (flood,) = ended(live, "p/flood").values()
    assert (flood["state"], flood["exit_code"], flood["output_bytes"]) == ("succeeded", 0, WRITTEN)
    assert flood["cut_bytes"] > 0
    output = live.output(flood["id"])
    assert output.startswith(b"head\n")
    assert len(output) + flood["cut_bytes"] == WRITTEN

    assert live.terminate() == 0
    live.up("--once")
    until(live.exited)
    until(lambda: ended(live, "p/tick").keys() == started(live))
    ticks = ended(live, "p/tick")
    assert {(one["state"], kept(live, one["id"]) + one["cut_bytes"]) for one in ticks.values()} == {("succeeded", 5)}
    assert not full(live)
