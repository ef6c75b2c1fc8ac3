from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.site import alive
from tests.support.waiting import until
from windmill.execution import tree
from windmill.execution.process import Limits, spawn
from windmill.execution.tree import Found, Subject, census

SLEEP = "/bin/sleep 1000 </dev/null >/dev/null 2>&1"


@contextmanager
def started(script: str, *, marker: bool, cookie: bool, name: str) -> Iterator[Subject]:
    """Run a shell script with chosen traces; yields who it is, its leader known."""
    subject = Subject("e" * 16, f"{name}@{os.getpid()}")
    env = {"PATH": "/usr/bin:/bin"} | ({tree.COOKIE: subject.cookie} if cookie else {})
    mark = tree.marker(subject.cookie if marker else f"not {name}")
    process = spawn(["/bin/sh", "-c", script], env=env, cwd="/", terminal=False, limits=Limits(), marker=mark)
    traced = Subject(subject.execution, f"not {name}") if not marker and not cookie else subject
    try:
        yield traced._replace(leader=process.pid)
    finally:
        everything = Subject("x", subject.cookie, process.pid), Subject("y", f"not {name}", process.pid)
        for one in everything:
            tree.kill(one, census([one]).get(one.execution, []))
        until(lambda: process.reap() is not None)
        process.close()


def found(subject: Subject) -> list[Found]:
    return census([subject]).get(subject.execution, [])


def test_the_entry_point_is_found_by_its_number(request: pytest.FixtureRequest) -> None:
    with started(f"exec {SLEEP}", marker=False, cookie=False, name=request.node.name) as subject:
        assert [one.pid for one in found(subject)] == [subject.leader]


def test_children_are_found_by_parenthood_and_session(request: pytest.FixtureRequest) -> None:
    with started(
        f"({SLEEP} &) ; {SLEEP} & exec {SLEEP}", marker=False, cookie=False, name=request.node.name
    ) as subject:
        until(lambda: len(found(subject)) == 3)


def test_a_daemon_without_environment_is_found_by_its_marker(request: pytest.FixtureRequest) -> None:
    script = f"env -i setsid {SLEEP} & exec {SLEEP}"
    with started(script, marker=True, cookie=True, name=request.node.name) as subject:
        until(lambda: len(found(subject._replace(leader=None))) == 2)


def test_a_process_is_found_by_the_cookie_alone(request: pytest.FixtureRequest) -> None:
    with started(f"exec {SLEEP}", marker=False, cookie=True, name=request.node.name) as subject:
        until(lambda: len(found(subject._replace(leader=None))) == 1)


def test_a_copied_cookie_does_not_draw_in_the_session_it_was_copied_to(request: pytest.FixtureRequest) -> None:
    cookie = f"{request.node.name}@{os.getpid()}"
    script = f"{SLEEP} & {tree.COOKIE}={cookie} {SLEEP} & exec {SLEEP}"
    with started(script, marker=False, cookie=False, name="terminal") as terminal:
        until(lambda: len(found(terminal)) == 3)
        copied = Subject("a" * 16, cookie)
        until(lambda: found(copied))  # a shell about to become it has no cookie yet
        assert len(found(copied)) == 1


def test_another_cookie_that_begins_alike_is_another(request: pytest.FixtureRequest) -> None:
    with started(f"exec {SLEEP}", marker=False, cookie=True, name=request.node.name) as subject:
        until(lambda: found(subject._replace(leader=None)))
        assert found(Subject("a" * 16, subject.cookie[:-1])) == []


def test_one_census_tells_executions_apart(request: pytest.FixtureRequest) -> None:
    with (
        started(f"exec {SLEEP}", marker=True, cookie=True, name="a" + request.node.name) as one,
        started(f"exec {SLEEP}", marker=True, cookie=True, name="b" + request.node.name) as two,
    ):
        both = census([one._replace(execution="a"), two._replace(execution="b")])
        assert {name: [process.pid for process in left] for name, left in both.items()} == {
            "a": [one.leader],
            "b": [two.leader],
        }


def test_zombies_are_not_alive(request: pytest.FixtureRequest) -> None:
    with started("exit 0", marker=True, cookie=True, name=request.node.name) as subject:
        until(lambda: not found(subject))


def test_a_signal_does_not_reach_another_process_of_the_same_number() -> None:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    tree.send([Found(child.pid, start=1, group=child.pid)], signal.SIGKILL)
    assert alive(child.pid)
    child.kill()
    child.wait()


def test_a_signal_to_one_that_is_gone_is_nothing() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    tree.send([Found(child.pid, start=1, group=child.pid)], signal.SIGKILL)


def test_a_kill_takes_what_appears_meanwhile(request: pytest.FixtureRequest) -> None:
    script = f"while :; do {SLEEP} & sleep 0.001; done"
    with started(script, marker=True, cookie=True, name=request.node.name) as subject:
        until(lambda: len(found(subject)) > 3)
        tree.kill(subject, found(subject))
        until(lambda: not found(subject))


def test_markers_differ_and_carry_no_effect() -> None:
    markers = {tree.marker(f"{number}@home") for number in range(1000)}
    assert len(markers) == 1000
    assert all(1 << 62 <= marker < 1 << 63 for marker in markers)


def test_the_own_session_is_never_prey() -> None:
    assert found(Subject("a" * 16, "nobody", os.getpid())) == []
