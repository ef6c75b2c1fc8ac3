from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from windmill.execution.charge import Charge
from windmill.execution.loop import Loop


@dataclass
class Item:
    """Waits for an instant."""

    due: float | None
    name: str = field(default="")


def waiting(due: float | None) -> Charge:
    return cast("Charge", Item(due))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_an_item_comes_when_it_is_due_and_once() -> None:
    loop = Loop()
    item = waiting(time.monotonic())
    loop.wait_for(item)
    loop.wait_for(item)
    assert loop.due_items() == [item]
    assert loop.due_items() == []


def test_an_item_that_changed_its_mind_does_not_come() -> None:
    loop = Loop()
    item = Item(time.monotonic())
    loop.wait_for(cast("Charge", item))
    item.due = None
    assert loop.due_items() == []


def test_a_turn_ends_when_something_is_due() -> None:
    loop = Loop()
    loop.wait_for(waiting(time.monotonic() + 0.02))
    while not loop.due_items():
        loop.turn(3600.0)


def test_items_that_wait_no_more_are_let_go_long_before_their_time() -> None:
    loop = Loop()
    gone = []
    for _ in range(1000):
        item = Item(time.monotonic() + 3600)
        loop.wait_for(cast("Charge", item))
        item.due = None
        gone.append(weakref.ref(item))
    del item
    gc.collect()
    assert sum(one() is not None for one in gone) < 500


def test_a_ready_descriptor_is_called_back(pipe: tuple[int, int]) -> None:
    loop, calls = Loop(), []
    loop.watch(pipe[0], lambda: calls.append("read"))
    os.write(pipe[1], b"x")
    loop.turn(10.0)
    loop.unwatch(pipe[0])
    loop.turn(0.0)
    assert calls == ["read"]


def test_a_descriptor_forgotten_by_another_callback_of_the_turn_is_not_called(pipe: tuple[int, int]) -> None:
    loop, calls = Loop(), []
    other = os.dup(pipe[0])
    loop.watch(pipe[0], lambda: (calls.append("one"), loop.forget(other)))  # type: ignore[arg-type, func-returns-value]  # in short
    loop.watch(other, lambda: (calls.append("other"), loop.forget(pipe[0])))  # type: ignore[arg-type, func-returns-value]  # in short
    os.write(pipe[1], b"x")
    loop.turn(10.0)
    os.close(other)
    assert len(calls) == 1
