"""The dashboard as a process: with `windmill up`, after it, without it, and where it cannot be."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import Live
from tests.support.waiting import until

URL = re.compile(r"Dashboard: (http://127\.0\.0\.1:\d+)")


def url(said: str) -> str:
    """The last address that was said."""
    return str((URL.findall(said) or [""])[-1])


def answers(address: str) -> bool:
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def dashboards(live: Live) -> list[int]:
    """The pids of the dashboards that live."""
    found = []
    for pid in live.processes():
        with suppress(OSError):
            if b"\0dashboard\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.fixture
def served(live: Live) -> Live:
    """A home whose dashboard answers."""
    live.up("--port", "0")
    until(lambda: answers(url(live.messages())), timeout=30, what="the dashboard answers")
    return live


def test_the_page_shows_the_jobs_of_the_home(served: Live) -> None:
    served.script("hello.py", "print('hello')")
    served.job("hello", "entry_point: hello.py\n")

    def page() -> str:
        with urllib.request.urlopen(url(served.messages()), timeout=20) as answer:
            return str(answer.read().decode())

    until(lambda: "p/hello" in page(), what="the job is on the page")


def test_a_dashboard_that_dies_is_started_again(served: Live) -> None:
    (first,) = dashboards(served)
    os.kill(first, signal.SIGKILL)
    until(lambda: dashboards(served) not in ([], [first]), what="another one lives")
    until(lambda: answers(url(served.messages())), timeout=30, what="it answers")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dashboard_ends_with_the_scheduler_that_started_it(served: Live, number: int) -> None:
    assert served.scheduler is not None
    served.scheduler.send_signal(number)
    served.scheduler.wait(20)
    until(lambda: not dashboards(served), what="the dashboard has gone")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield int(other.getsockname()[1])


def test_a_port_that_is_taken_is_said_and_holds_up_no_job(live: Live, taken: int) -> None:
    live.script("hello.py", "print('hello')")
    live.job("hello", "entry_point: hello.py\nschedule: {interval: 1s}\n")
    live.up("--port", str(taken))
    until(lambda: f"127.0.0.1:{taken}" in live.messages(), what="it is said")
    assert "Traceback" not in live.messages()
    until(lambda: live.ended("p/hello"), what="the job ran")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])
def test_an_address_that_others_reach_is_refused_in_words(live: Live, host: str) -> None:
    refused = live.cli("dashboard", "--host", host, check=False)
    assert refused.returncode == 1
    assert "windmill: the dashboard" in refused.stderr
    assert host in refused.stderr


def test_a_port_that_is_taken_ends_a_dashboard_that_is_alone(live: Live, taken: int) -> None:
    refused = live.cli("dashboard", "--port", str(taken), check=False)
    assert refused.returncode == 1
    assert f"127.0.0.1:{taken}: Address already in use" in refused.stderr


def test_a_dashboard_works_alone_until_it_is_told_to_stop(live: Live) -> None:
    alone: subprocess.Popen[Any] = live.terminal("dashboard", "--port", "0")
    with alone:
        assert alone.stderr is not None
        assert answers(url(alone.stderr.readline()))
        alone.terminate()
        alone.wait(20)
    assert not dashboards(live)
