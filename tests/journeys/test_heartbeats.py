"""Monitoring services hear of jobs and of the scheduler itself, on a home that serves."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.sink import Sink
from tests.support.waiting import until

HERE = '[heartbeat]\nallow = ["127.0.0.0/8"]\n'


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def allow(live: Live, more: str = "") -> None:
    (live.root / "windmill.toml").write_text(HERE + more)


def job(live: Live, name: str, url: str, more: str = "") -> None:
    """A job whose heartbeat goes to the URL."""
    (live.root / f"{name}.url").write_text(url + "\n")
    source = f"heartbeat: {{from_file: {live.root / f'{name}.url'}}}\n"
    live.job(name, f"entry_point: {name}.py\n{source}{more}")


def test_start_success_and_exit_code_of_real_jobs_are_heard_in_order(live: Live, sink: Sink) -> None:
    allow(live)
    live.script("good.py", "print('all is well')")
    live.script("bad.py", "print('oh no'); raise SystemExit(7)")
    job(live, "good", sink.url("/ping/good"))
    job(live, "bad", sink.url("/ping/bad"))
    live.up()
    until(lambda: len(live.json("jobs")) == 2)
    live.cli("run", "good")
    live.cli("run", "bad", check=False)
    until(lambda: len(sink.asked) == 4, what="all were heard")
    good, bad = ([one for one in sink.asked if one.path.startswith(f"/ping/{name}")] for name in ("good", "bad"))
    assert [one.path for one in good] == ["/ping/good/start", "/ping/good"]
    assert [one.path for one in bad] == ["/ping/bad/start", "/ping/bad/7"]
    assert good[0].query == good[1].query != bad[0].query == bad[1].query
    assert (good[1].body, bad[1].body.splitlines()[-1]) == (b"all is well\n", b"oh no")
    assert all(one.name not in live.messages() for one in live.root.glob("*.url"))


def test_only_the_last_attempt_is_heard_to_fail(live: Live, sink: Sink) -> None:
    allow(live)
    live.script("bad.py", "raise SystemExit(7)")
    job(live, "bad", sink.url("/ping/bad"), "retry: {limit: 1, delay: 100ms}\n")
    live.up()
    until(lambda: len(live.json("jobs")) == 1)
    live.cli("run", "bad", check=False)
    until(lambda: len(sink.asked) == 3, what="two starts and one end")
    assert sink.paths() == ["/ping/bad/start", "/ping/bad/start", "/ping/bad/7"]


def test_an_end_that_came_while_the_scheduler_was_dead_is_heard_when_it_returns(
    live: Live, sink: Sink, gate: Gate
) -> None:
    allow(live)
    job(live, "gated", sink.url("/ping/gated"), f'env: {{GATE: "{gate.path}"}}\n')
    live.up()
    until(lambda: len(live.json("jobs")) == 1)
    live.cli("run", "-d", "gated")
    until(lambda: sink.paths() == ["/ping/gated/start"])
    live.kill()
    gate.open()
    live.up()
    until(lambda: len(sink.asked) == 2, what="the end is heard")
    assert (sink.paths()[1], sink.asked[1].body) == ("/ping/gated", b"begun\nended\n")


def test_slots_go_on_while_a_sink_takes_and_never_answers(live: Live) -> None:
    allow(live)
    live.script("quick.py", "")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job(live, "quick", f"http://127.0.0.1:{silent.getsockname()[1]}/x", 'schedule: "* * * * * *"\n')
        live.up()
        until(lambda: len(live.ended("p/quick")) >= 3, what="slot after slot has run")
        assert "was not sent" not in live.messages()  # the first of them still waits for its answer
        live.kill()


def test_the_scheduler_is_heard_until_it_is_killed(live: Live, sink: Sink) -> None:
    (live.root / "own.url").write_text(sink.url("/ping/own"))
    allow(live, 'from_file = "own.url"\nevery = "1s"\n')
    live.up()
    until(lambda: len(sink.asked) >= 2, what="it is heard again and again")
    assert set(sink.paths()) == {"/ping/own"}
    live.kill()
    heard = len(sink.asked)
    for _ in range(2):  # more than one of its intervals
        live.cli("ps")
    assert len(sink.asked) <= heard + 1  # what was on its way


def test_where_heartbeats_may_not_go_is_said_without_the_url(live: Live, sink: Sink) -> None:
    live.script("good.py", "")
    job(live, "good", sink.url())
    live.up()
    until(lambda: len(live.json("jobs")) == 1)
    live.cli("run", "good")
    until(lambda: "the heartbeat of p/good was not sent" in live.messages(), what="the refusal is said")
    assert sink.asked == []
    assert sink.url() not in live.messages()


def test_what_became_of_pings_is_told_by_the_doctor(live: Live) -> None:
    allow(live)
    live.script("good.py", "")

    def said() -> str:
        return str({check["about"]: check["found"] for check in live.json("doctor")}["heartbeats"])

    with Sink(answers=(404,)) as sink:
        job(live, "good", sink.url())
        live.up()
        until(lambda: len(live.json("jobs")) == 1)
        live.cli("run", "good")
        until(lambda: said() == "1; 1 sent, 1 failed, 0 dropped", what="one of two came through")
