from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from tests.support.waiting import until
from windmill.core.errors import WindmillError
from windmill.core.model import Heartbeat
from windmill.heartbeats.address import Url
from windmill.heartbeats.ping import Ping, Request, Signal
from windmill.heartbeats.sender import Parcel, Sender, url_of
from windmill.heartbeats.wire import Undelivered

ENVIRON = {"A": "https://a.example/HUSH", "B": "https://b.example/HUSH", "BAD": "gopher://HUSH"}
ID = "7668c3da0c6b094e"


def parcel(about: str = "p/a", *, source: str = "A", signal: Signal = Signal.START) -> Parcel:
    return Parcel(about=about, source=Heartbeat(from_env=source), ping=Ping(signal=signal, execution=ID))


class Hosts:
    """What was sent, by host; a host may first fail some times, or be held."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.failures: list[Undelivered] = []
        self.held: dict[str, Event] = {}

    def send(self, url: Url, request: Request) -> None:
        if hold := self.held.get(url.host):
            hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((url.host, request.target.partition("?")[0]))


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def sender(hosts: Hosts) -> Sender:
    return Sender(hosts.send, environ=ENVIRON, pauses=(0.01, 0.01), room=3)


def failing(count: int, *, again: bool) -> list[Undelivered]:
    return [Undelivered("no answer in time", again=again) for _ in range(count)]


def counted(sender: Sender, **wanted: int) -> Callable[[], bool]:
    return lambda: {name: sender.counts()[name] for name in wanted} == wanted


def test_signals_of_one_job_arrive_in_order(sender: Sender, hosts: Hosts) -> None:
    for signal in (Signal.START, Signal.SUCCESS, Signal.START):
        sender.put(parcel(signal=signal))
    until(counted(sender, sent=3))
    assert [path for _, path in hosts.sent] == ["/HUSH/start", "/HUSH", "/HUSH/start"]
    sender.stop(5)


def test_a_failure_is_tried_twice_more(sender: Sender, hosts: Hosts) -> None:
    hosts.failures = failing(2, again=True)
    sender.put(parcel())
    until(counted(sender, sent=1, failed=0))
    sender.stop(5)


def test_after_three_tries_it_is_given_up(sender: Sender, hosts: Hosts) -> None:
    hosts.failures = failing(4, again=True)
    sender.put(parcel())
    until(counted(sender, sent=0, failed=1))
    assert len(hosts.failures) == 1
    sender.stop(5)


def test_what_cannot_get_better_is_not_tried_again(sender: Sender, hosts: Hosts) -> None:
    hosts.failures = failing(2, again=False)
    sender.put(parcel())
    until(counted(sender, failed=1))
    assert len(hosts.failures) == 1
    sender.stop(5)


def test_what_finds_no_room_is_dropped_and_counted(sender: Sender, hosts: Hosts) -> None:
    hosts.held["a.example"] = Event()
    for _ in range(10):
        sender.put(parcel())
    until(counted(sender, waiting=3))
    assert sender.counts()["dropped"] >= 6
    hosts.held["a.example"].set()
    sender.stop(5)


def test_a_host_that_hangs_holds_up_its_own_lane_only(sender: Sender, hosts: Hosts) -> None:
    hosts.held["a.example"] = Event()
    sender.put(parcel("p/a"))
    for number in range(8):
        sender.put(parcel(f"p/{number}", source="B"))
    until(lambda: hosts.sent)
    assert {host for host, _ in hosts.sent} == {"b.example"}
    hosts.held["a.example"].set()
    sender.stop(5)


def test_only_an_end_asks_for_the_output(hosts: Hosts) -> None:
    asked: list[str] = []

    def tail(execution: str) -> bytes:
        asked.append(execution)
        return b""

    sender = Sender(hosts.send, environ=ENVIRON, tail=tail)
    sender.put(parcel(signal=Signal.START))
    sender.put(parcel(signal=Signal.SUCCESS))
    until(counted(sender, sent=2))
    assert asked == [ID]
    sender.stop(5)


def test_a_failure_is_said_once_and_without_the_url(
    sender: Sender, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "windmill.heartbeats"):
        for source in ("BAD", "BAD", "GONE", "A", "GONE"):
            sender.put(parcel(source=source))
            until(lambda: sender.counts()["waiting"] == 0)
        until(lambda: sender.counts()["failed"] + sender.counts()["sent"] == 5)
    assert [one.message.partition(": ")[2] for one in caplog.records] == [
        "the URL does not begin with http:// or https://",
        "the scheduler's environment has no variable GONE",
        "the scheduler's environment has no variable GONE",
    ]
    assert "HUSH" not in caplog.text
    sender.stop(5)


def test_a_defect_ends_no_lane(hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_execution: str) -> bytes:
        raise ValueError("HUSH")

    sender = Sender(hosts.send, environ=ENVIRON, tail=broken)
    sender.put(parcel(signal=Signal.SUCCESS))
    sender.put(parcel(signal=Signal.START))
    until(counted(sender, sent=1, failed=1))
    assert "HUSH" not in caplog.text
    sender.stop(5)


def test_what_waits_at_the_end_is_still_sent(sender: Sender, hosts: Hosts) -> None:
    for _ in range(3):
        sender.put(parcel())
    sender.stop(5)
    assert len(hosts.sent) == 3


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "url"
    source = Heartbeat(from_file=str(file))
    for host in ("one.example", "two.example"):
        file.write_text(f"https://{host}/x\n")
        assert url_of(source, {}).host == host


def test_a_pipe_in_the_place_of_a_file_holds_up_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "url")
    with pytest.raises(WindmillError, match="is not a file"):
        url_of(Heartbeat(from_file=str(tmp_path / "url")), {})


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WindmillError, match="url cannot be read: No such file"):
        url_of(Heartbeat(from_file=str(tmp_path / "url")), {})
