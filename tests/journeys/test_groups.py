"""Jobs that share a cap, on a home that serves."""

from __future__ import annotations

from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until

SETTINGS = "[groups]\nwarehouse = {cap}\n"


def running(live: Live) -> set[str]:
    return {one["job"] for one in live.executions() if one["state"] == "running"}


def waiting(live: Live) -> set[str]:
    return {one["job"] for one in live.executions() if one["state"] == "queued"}


def test_a_cap_holds_a_group_and_a_change_of_it_counts_at_once(live: Live, gate: Gate) -> None:
    (live.root / "windmill.toml").write_text(SETTINGS.format(cap=1))
    job = f'entry_point: gated.py\nkill_grace: 1s\nenv: {{GATE: "{gate.path}"}}\n'
    for name in ("one", "two", "three"):
        live.job(name, f"{job}group: warehouse\n")
    live.up()
    until(lambda: len(live.json("jobs")) == 4, what="the jobs are known")
    for name in ("one", "two", "three", "gated"):
        live.cli("run", "-d", name)
    until(lambda: running(live) == {"p/one", "p/gated"}, what="one of the group runs, and the one beside it")
    until(lambda: waiting(live) == {"p/two", "p/three"}, what="the others wait")
    (live.root / "windmill.toml").write_text(SETTINGS.format(cap=2))
    until(lambda: running(live) == {"p/one", "p/two", "p/gated"}, what="one more runs")
    gate.open()
    until(lambda: len(live.ended()) == 4, what="all have run")
