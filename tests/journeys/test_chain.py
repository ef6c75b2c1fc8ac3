"""Jobs that come after jobs, on a home that serves and is killed."""

from __future__ import annotations

from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until

FAILS = "raise SystemExit(3)\n"


def ends(live: Live, job: str) -> list[tuple[str, str]]:
    return [(one["state"], one["trigger"]) for one in live.executions(job) if one["ended_at"]]


def test_a_line_of_jobs_runs_to_its_end_though_the_scheduler_is_killed_in_between(live: Live, gate: Gate) -> None:
    live.script("quick.py", "print('quick')\n")
    live.job("load", "entry_point: quick.py\nafter: [{job: gated}]\n")
    live.job("publish", "entry_point: quick.py\nafter: [{job: p/load}, {job: gated}]\n")
    live.up()
    until(lambda: len(live.json("jobs")) == 3, what="the jobs are known")
    first = live.cli("run", "-d", "gated").stdout.strip()
    until(lambda: live.executions("p/gated"), what="the first of them runs")
    live.kill()
    gate.open()
    live.up()
    until(lambda: ends(live, "p/publish") == [("succeeded", "after")], timeout=40, what="the last has run")
    assert ends(live, "p/load") == [("succeeded", "after")]
    (load,) = live.executions("p/load")
    assert load["after"] == {"p/gated": first}
    assert f"followed p/gated ({first})" in live.cli("show", "load").stdout


def test_a_failure_upstream_is_told_of_below(live: Live) -> None:
    live.script("fails.py", FAILS)
    live.script("quick.py", "print('quick')\n")
    live.job("extract", "entry_point: fails.py\n")
    live.job("load", "entry_point: quick.py\nafter: [{job: extract}]\n")
    live.job("mourn", "entry_point: quick.py\nafter: [{job: extract, when: failure}]\n")
    live.up()
    until(lambda: len(live.json("jobs")) == 3, what="the jobs are known")
    assert live.cli("run", "extract", check=False).returncode == 3
    until(lambda: ends(live, "p/load") and ends(live, "p/mourn"), what="both have answered")
    assert (ends(live, "p/load"), ends(live, "p/mourn")) == ([("skipped", "after")], [("succeeded", "after")])
    assert "blocked: p/extract failed" in live.cli("show", "load").stdout


def test_a_circle_is_a_problem_that_names_it(live: Live) -> None:
    live.script("quick.py", "print('quick')\n")
    live.job("a", "entry_point: quick.py\nafter: [{job: b}]\n")
    live.job("b", "entry_point: quick.py\nafter: [{job: a}]\n")
    done = live.cli("validate", check=False)
    assert (done.returncode, "p/a after p/b after p/a" in done.stdout) == (3, True)
