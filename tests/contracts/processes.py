"""What every store promises to several processes at once, and to those that are killed.

A module of tests imports everything from here and has two fixtures: `server` and `address`, a new database on it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any

import pytest

from tests.support.executions import identity
from tests.support.servers import Server
from tests.support.store_process import said
from tests.support.stores import open_store
from windmill.core.ports import ExecutionFilter, Store

RACERS = [f"racer-{number}" for number in range(9)]
Count = Callable[[str, object], None]  # of pytest: what the table of `python -m tests.contracts` prints

rounds = pytest.mark.parametrize("rounds", [15, pytest.param(300, marks=pytest.mark.long)])
kills = pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])


@contextmanager
def beside(role: str, address: str, start: object = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of `tests.support.store_process` inside the block."""
    command = [sys.executable, "-m", "tests.support.store_process", role, address, str(start)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(stream: IO[bytes] | None, least: int) -> list[bytes]:
    assert stream is not None
    return [stream.readline() for _ in range(least)]


def numbers(stream: IO[bytes] | None, least: int) -> list[int]:
    return [int(line) for line in lines(stream, least)]


# Nine at once


@rounds
def test_nine_processes_at_once_agree_on_everything(address: str, rounds: int, record_property: Count) -> None:
    """Each asks, begins, answers and ends the same things: the first of each stays, and nobody's note is lost."""
    claims: list[dict[str, set[Any]]] = []
    lost = 0
    with ExitStack() as stack:
        racers = [stack.enter_context(beside("race", address, name)) for name in RACERS]
        for number in range(rounds):
            seen = _round(racers, number)
            claims.append(
                {what: {one[what] for one in seen} for what in ("asked", "answered", "ended", "said", "state")}
            )
            lost += sum(one["noted"] != number for one in seen)
    double = [(number, claim) for number, claim in enumerate(claims) if any(len(of) != 1 for of in claim.values())]
    with closing(open_store(address, readonly=True)) as store:
        changed = [number for number, claim in enumerate(claims) if _stored(store, number) != claim]
        job = next(job for job in store.jobs() if job["id"] == "p/shared")
    record_property("claims", rounds * 4)
    record_property("double claims", len(double))
    record_property("updates", rounds * len(RACERS))
    record_property("lost updates", lost)
    assert (double, changed, lost) == ([], [], 0)
    assert job == {"id": "p/shared", **dict.fromkeys(RACERS, rounds - 1)}
    winners = Counter(next(iter(claim["answered"])) for claim in claims)
    assert len(winners) > 1, "nobody raced"


def _round(racers: list[subprocess.Popen[bytes]], number: int) -> list[dict[str, Any]]:
    """Start everybody on the number, in an order of its own, and return what each has seen."""
    for racer in random.Random(number).sample(racers, len(racers)):
        assert racer.stdin is not None
        racer.stdin.write(b"%d\n" % number)
        racer.stdin.flush()
    return [json.loads(lines(racer.stdout, 1)[0] or _words(racer)) for racer in racers]


def _words(process: subprocess.Popen[bytes]) -> bytes:
    raise AssertionError(process.communicate()[1].decode())


def _stored(store: Store, number: int) -> dict[str, set[Any]]:
    one = identity(number)
    execution, request = store.execution(one) or {}, store.request(str(number)) or {}
    output = b"".join(block.data for block in store.output(one)).decode()
    return {
        "asked": {request["by"]},
        "answered": {request["answer"]["by"]},
        "ended": {execution["reason"]},
        "said": {output},
        "state": {"failed"},
    }


# Kills


@kills
def test_what_was_acknowledged_survives_the_kill_of_the_writer(
    address: str, kills: int, record_property: Count
) -> None:
    acknowledged: list[int] = []
    for life in range(kills):
        with beside("write", address, life * 10_000) as writer:
            acknowledged += numbers(writer.stdout, 1 + life * 3 % 17)
            time.sleep(_moment(life))
            writer.kill()
            rest, _ = writer.communicate()
            acknowledged += [int(line) for line in rest.split(b"\n")[:-1]]
    _all_there(address, acknowledged, record_property)


@kills
def test_what_was_acknowledged_survives_the_kill_of_the_server(
    server: Server, address: str, kills: int, record_property: Count
) -> None:
    if server.process is None:
        pytest.skip("no server that the test may kill")
    acknowledged: list[int] = []
    with beside("write", address) as writer:
        for life in range(kills):
            acknowledged += numbers(writer.stdout, 1 + life * 3 % 17)
            time.sleep(_moment(life))
            server.process.kill()
            server.process.start()
        acknowledged += numbers(writer.stdout, 1)
        rest, words = writer.communicate(b"enough")
    acknowledged += [int(line) for line in rest.split()]
    assert words == b""
    _all_there(address, acknowledged, record_property)


def _moment(life: int) -> float:
    """Return how many seconds into a step of the writer the kill comes: each time it meets another part of it."""
    return (2 * life + 1) % 7 / 500


def _all_there(address: str, acknowledged: list[int], record_property: Count) -> None:
    with closing(open_store(address, readonly=True)) as store:
        missing = [number for number in acknowledged if not _complete(store, number)]
        listed = [item["id"] for item in store.executions(ExecutionFilter(), limit=1_000_000).items]
    double = len(listed) - len(set(listed))
    record_property("acknowledged", len(acknowledged))
    record_property("missing", len(missing))
    record_property("double", double)
    assert (missing, double) == ([], 0)
    assert {identity(number) for number in acknowledged} <= set(listed)


def _complete(store: Store, number: int) -> bool:
    found = store.execution(identity(number))
    output = store.output(identity(number))
    return found is not None and found["state"] == "succeeded" and [block.data for block in output] == [said(number)]
