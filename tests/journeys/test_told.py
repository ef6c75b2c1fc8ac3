"""What jobs tell with plain print, and what their failures have in common, on a home that serves."""

from __future__ import annotations

from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.documents import Document

TELLING = """
import os, pathlib, time

def wait(name):
    while not pathlib.Path(os.environ["HERE"], name).exists():
        time.sleep(0.02)

print("::progress 0.25 reading")
print("::set rows=12")
wait("read")
print("::progress 75% writing")
print("::set rows=24")
wait("written")
print("::set file=out.csv")
print("::progress 1")
"""
FAILING = """
import os, sys

def load(number):
    raise ValueError(f"order {number} of {os.getpid()} is wrong")

load(os.environ["WINDMILL_EXECUTION"])
"""


def newest(live: Live, job: str) -> Document:
    return live.executions(job)[-1]


def part(live: Live) -> float | None:
    found = live.executions("p/telling")
    return found[-1].get("progress", {}).get("value") if found else None


def test_what_a_job_tells_is_seen_while_it_runs_and_survives_its_scheduler(live: Live) -> None:
    live.script("telling.py", TELLING)
    live.job("telling", f'entry_point: telling.py\nenv: {{HERE: "{live.root}"}}\n')
    live.up()
    live.cli("run", "-d", "telling")
    until(lambda: part(live) == 0.25, what="what it told first is in the store")
    (row,) = live.json("ps")
    assert (row["progress"]["text"], row["facts"]) == ("reading", {"rows": 12})
    live.kill()
    (live.root / "read").touch()
    live.up()
    until(lambda: part(live) == 0.75, what="what it told meanwhile is in the store")
    live.kill()
    (live.root / "written").touch()
    until(lambda: not live.processes() or live.processes() == live.runners(), what="its end without a scheduler")
    live.up()
    until(lambda: newest(live, "p/telling")["state"] == "succeeded", what="its end is in the store")
    ended = newest(live, "p/telling")
    assert (ended["progress"]["value"], ended["facts"]) == (1.0, {"rows": 24, "file": "out.csv"})
    assert live.output(ended["id"]).startswith(b"::progress 0.25 reading\n::set rows=12\n")
    assert [one["id"] for one in live.executions("p/telling")] == [ended["id"]]


def test_a_failure_that_comes_again_is_counted_whatever_scheduler_saw_it(live: Live) -> None:
    live.script("failing.py", FAILING)
    live.job("failing", "entry_point: failing.py\n")
    live.up()
    live.cli("run", "failing", check=False)
    live.kill()
    live.script("failing.py", "# moved by a line\n" + FAILING)
    live.up()
    live.cli("run", "failing", check=False)
    live.script("failing.py", "raise SystemExit(3)\n")
    live.cli("run", "failing", check=False)
    until(lambda: len(live.ended("p/failing")) == 3)
    first, second, other = live.ended("p/failing")
    assert first["failure"]["exception"].startswith(f"ValueError: order {first['id']} of ")
    assert first["failure"]["where"] == "failing.py:5 in load"
    assert second["failure"]["where"] == "failing.py:6 in load"
    assert other["failure"]["exception"] == "exit code 3"
    assert second["failure"]["fingerprint"] == first["failure"]["fingerprint"]
    assert live.json("show", second["id"])["failed_alike"] == {"count": 2, "first": first["id"]}
    alike = live.json("ps", "--failure", first["failure"]["fingerprint"])
    assert [one["id"] for one in alike] == [second["id"], first["id"]]


def test_who_complains_on_stderr_fails_where_that_is_wanted(live: Live) -> None:
    live.script("careful.py", "import sys; print('careful', file=sys.stderr)\n")
    live.job("careful", "entry_point: careful.py\nfail_on_stderr: true\n")
    live.up()
    assert live.cli("run", "careful", check=False).returncode != 0
    (ended,) = live.ended("p/careful")
    assert (ended["state"], ended["reason"], ended["exit_code"]) == ("failed", "stderr", 0)
    assert ended["failure"]["exception"] == "stderr"
