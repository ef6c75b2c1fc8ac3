"""What systemd hears, at a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from windmill.scheduler.service import Service


class Manager:
    """The other end: a datagram socket, and what has arrived there."""

    def __init__(self, address: str) -> None:
        self.name = address.replace("\0", "@", 1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"\0windmill-test-{os.getpid()}"
    with closing(Manager(address)) as manager:
        yield manager


def service(manager: Manager, *, clock: Callable[[], float] = lambda: 0.0, **more: str) -> Service:
    return Service({"NOTIFY_SOCKET": manager.name, **more}, monotonic=clock)


def test_a_life_is_told(manager: Manager) -> None:
    ours = service(manager)
    ours.status("jobs: 2")
    ours.ready()
    ours.stopping()
    assert manager.heard() == ["STATUS=jobs: 2", "READY=1", "STOPPING=1"]


def test_what_has_not_changed_is_not_told_again(manager: Manager) -> None:
    ours = service(manager)
    for text in ("a", "a", "b"):
        ours.ready()
        ours.status(text)
    assert manager.heard() == ["READY=1", "STATUS=a", "STATUS=b"]


def test_the_watchdog_hears_of_turns_at_half_its_period(manager: Manager) -> None:
    instants = iter([0.0, 0.0, 4.9, 5.0, 5.0, 9.9])
    ours = service(manager, clock=lambda: next(instants), WATCHDOG_USEC="10000000")
    for _ in range(4):
        ours.turned()
    assert manager.heard() == ["WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_that_is_not_ours_hears_nothing(manager: Manager, more: dict[str, str]) -> None:
    Service({"NOTIFY_SOCKET": manager.name, **more}).turned()
    assert manager.heard() == []


def test_a_watchdog_that_names_us_is_ours(manager: Manager) -> None:
    service(manager, WATCHDOG_USEC="1", WATCHDOG_PID=str(os.getpid())).turned()
    assert manager.heard() == ["WATCHDOG=1"]


def test_children_are_not_told_where_to_speak() -> None:
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Service(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "@windmill-nobody", "vsock:2:1"])
def test_where_nobody_listens_nothing_fails(name: str) -> None:
    ours = Service({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    ours.ready()
    ours.turned()
    ours.stopping()


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager) -> None:
    ours = service(manager)
    for number in range(5000):
        ours.status(str(number))
    assert len(manager.heard()) < 5000
