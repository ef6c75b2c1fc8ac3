from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.support.builders import a_running_execution
from tests.support.dashboard import Site
from windmill.core.ports import Batch, OutputBlock
from windmill.dashboard.streams import STREAMS_MAX, Streams


@pytest.fixture
def path(site: Site, failed: str) -> str:
    return f"/api/v1/executions/{failed}/output"


def test_a_piece_is_what_was_written_and_says_where_the_next_begins(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert (answer.data, answer.mimetype) == (b"one\ntwo\nthree", "application/octet-stream")
    assert (answer.headers["X-Output-Next"], answer.headers["X-Output-State"]) == ("3", "failed")
    rest = site.client.get(f"{path}?after=2")
    assert (rest.data, rest.headers["X-Output-Next"]) == (b"o\nthree", "3")
    assert (site.client.get(f"{path}?after=3").data, site.client.get(f"{path}?after=9").data) == (b"", b"")


@pytest.mark.parametrize(
    ("lines", "found"), [(1, b"three"), (2, b"two\nthree"), (3, b"one\ntwo\nthree"), (9, b"one\ntwo\nthree")]
)
def test_the_last_lines_may_lie_across_blocks(site: Site, path: str, lines: int, found: bytes) -> None:
    answer = site.client.get(f"{path}?tail={lines}")
    assert (answer.data, answer.headers["X-Output-Next"]) == (found, "3")


def test_one_stream_can_be_asked_for(site: Site, path: str) -> None:
    answer = site.client.get(f"{path}?stream=stderr")
    assert (answer.data, answer.headers["X-Output-Next"]) == (b"o\nthree", "3")


def test_as_text_it_steers_no_terminal(site: Site) -> None:
    execution = a_running_execution(id="3" * 16)
    site.put(Batch(executions=[execution], output=[OutputBlock("3" * 16, 1, 1, 1, 0, b"\x1b[31mred\x1b[0m\r\n<b>")]))
    answer = site.client.get(f"/api/v1/executions/{'3' * 16}/output?format=text")
    assert (answer.mimetype, answer.text) == ("text/plain", "red\n<b>")


def test_as_lines_of_json_every_block_says_when_and_where_it_was_written(site: Site, path: str) -> None:
    lines = [json.loads(line) for line in site.client.get(f"{path}?format=jsonl").text.splitlines()]
    assert [(one["first"], one["last"], one["stream"], one["text"]) for one in lines] == [
        (1, 2, "stdout", "one\ntw"),
        (3, 3, "stderr", "o\nthree"),
    ]
    assert lines[0]["at"] == "1970-01-01T00:00:01.000Z"


def test_a_stream_ends_with_the_state_of_the_execution(site: Site, path: str) -> None:
    events = site.client.get(f"{path}/stream").text.split("\n\n")
    assert "id: 2" in events[1]
    assert base64.b64decode(events[1].rpartition(" ")[2]) == b"one\ntw"
    assert events[3] == "event: end\ndata: failed"


def test_a_browser_that_comes_again_goes_on_where_it_was(site: Site, path: str) -> None:
    events = site.client.get(f"{path}/stream?after=0", headers={"Last-Event-ID": "2"}).text
    assert "id: 3" in events
    assert "id: 2" not in events


def test_a_stream_gives_its_place_back(site: Site, path: str) -> None:
    for _ in range(STREAMS_MAX + 1):
        assert site.client.get(f"{path}/stream?after=3", buffered=True).status_code == 200


def test_who_finds_no_place_is_told_to_ask_again(site: Site, path: str) -> None:
    streams: Streams = site.app.extensions["windmill.streams"]
    while streams.take():
        pass
    answer = site.client.get(f"{path}/stream")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert site.client.get("/api/v1/status").get_json()["streams"] == STREAMS_MAX


def test_a_look_at_the_headers_takes_no_place(site: Site, path: str) -> None:
    assert site.client.head(f"{path}/stream").status_code == 200
    assert site.app.extensions["windmill.streams"].taken == 0


def test_of_an_execution_that_is_not_there_is_no_output(tmp_path: Path, site: Site) -> None:
    assert site.client.get(f"/api/v1/executions/{'f' * 16}/output").status_code == 404
