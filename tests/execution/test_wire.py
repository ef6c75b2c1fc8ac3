from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.model import Cause, Execution, State
from windmill.core.ports import Frame, Kind, Plan, Position
from windmill.execution import wire
from windmill.execution.wire import Channel, Decoder, WireError, announcement, decode, encode, from_plan, to_plan

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAN = Plan(
    execution=Execution(
        id="0" * 16, job="p/j", state=State.QUEUED, trigger=Cause.SCHEDULE, slot=NOON, queued_at=NOON, params={"a": 1}
    ),
    root="/project",
    entry_point="run.py",
    python="/usr/bin/python3",
    args=("--region", "S\xe3o Paulo", "\udcff"),
    env={"A": "b\nc"},
    secret_files={"K": "/run/k"},
    success_exit_codes=(0, 3),
    fail_on_stderr=True,
    timeout=1.5,
)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    here, there = (Channel(end) for end in socket.socketpair())
    yield here, there
    here.close()
    there.close()


def test_a_plan_arrives_as_it_was_sent() -> None:
    assert to_plan(decode(encode(from_plan(PLAN)))) == PLAN


@given(
    messages=st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())),
    cuts=st.lists(st.integers(0, 300)),
)
def test_messages_arrive_whole_however_the_bytes_are_cut(messages: list[wire.Message], cuts: list[int]) -> None:
    data = b"".join(encode(message) for message in messages)
    borders = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    decoder = Decoder()
    found = [message for start, end in pairwise(borders) for message in decoder.feed(data[start:end])]
    assert found == messages


@pytest.mark.parametrize("data", [b"no json\n", b"[]\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(data)


def test_a_message_without_end_is_refused() -> None:
    with pytest.raises(WireError):
        Decoder().feed(b"x" * (wire.MESSAGE_MAX + 1))


def test_an_announcement_carries_the_document_of_the_frame() -> None:
    document = {"id": "0" * 16, "state": "failed"}
    frame = Frame(Kind.END, "0" * 16, 0, 0, 7, json.dumps(document).encode())
    message = {"event": "ended", "position": [2, 300], "document": document}
    assert decode(announcement(frame, Position(2, 300))) == message


def test_a_channel_brings_many_messages_at_once(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    for number in range(100):
        here.send({"number": number})
    assert there.receive() == []
    assert here.flush()
    assert there.receive() == [{"number": number} for number in range(100)]


def test_a_channel_never_blocks_and_loses_nothing(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    sent = [{"text": "x" * 100_000, "number": number} for number in range(50)]
    for message in sent:
        here.send(message)
    found: list[wire.Message] = []
    assert not here.flush()
    while len(found) < len(sent):
        found += there.receive()
        here.flush()
    assert found == sent


def test_what_a_dead_peer_left_is_still_read(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send({"last": "words"})
    here.flush()
    here.close()
    assert there.receive() == [{"last": "words"}]
    assert there.ended


def test_sending_to_a_dead_peer_only_ends_the_channel(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    there.close()
    here.send({})
    assert here.flush()
    assert here.ended


def test_a_peer_that_talks_nonsense_is_let_go(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send_line(b"nonsense\n")
    here.flush()
    assert there.receive() == []
    assert there.ended
