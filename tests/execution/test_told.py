from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.ports import Stream
from windmill.execution.capture import Capture
from windmill.execution.told import FACTS_MAX, TEXT_MAX, VALUE_MAX, Told


def told(*reads: bytes) -> Told:
    found = Told()
    for data in reads:
        found.feed(data, 0)
    found.finish(0)
    return found


def facts(*reads: bytes) -> dict[str, Any]:
    found: dict[str, Any] = told(*reads).document.get("facts", {})
    return found


def progress(line: bytes) -> tuple[float, str] | None:
    found = told(line + b"\n").document.get("progress")
    return (found["value"], found["text"]) if found else None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"::progress 0.4", (0.4, "")),
        (b"::progress 40%", (0.4, "")),
        (b"::progress 12.5% rows read", (0.125, "rows read")),
        (b"::progress 1 done\r", (1.0, "done")),
        (b"::progress 0", (0.0, "")),
        ("::progress 0.5 metade, não tudo".encode(), (0.5, "metade, não tudo")),
        (b"::progress 0.5 \x1b[31mred\xff", (0.5, "\ufffd[31mred\ufffd")),
        (b"::progress 0.5 " + b"x" * 999, (0.5, "x" * TEXT_MAX)),
    ],
)
def test_progress_is_a_part_of_one_or_of_a_hundred_and_perhaps_text(line: bytes, expected: tuple[float, str]) -> None:
    assert progress(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b" ::progress 0.4", b"::progress", b"::progress ", b"::progress 1.1", b"::progress 101%", b"::progress -1",
        b"::progress 0.4%%", b"::progress nan", b"::progress 1e-1", b"::progress half", b"::progress  0.4",
        b"::Progress 0.4", b"x ::progress 0.4", b"\r::progress 0.4", b"::progress 0.4,5",
        b"::progress 0.5" + b"x" * 9999, "::progress 0.٤".encode(), "::progress ٤%".encode(),
    ],
)  # fmt: skip
def test_what_is_not_written_so_is_plain_output(line: bytes) -> None:
    assert progress(line) is None


def test_the_last_progress_counts() -> None:
    assert told(b"::progress 0.9\n::progress 0.1 again\n").document["progress"]["value"] == 0.1


def test_progress_is_as_old_as_what_it_says() -> None:
    found = Told()
    for at in (1000, 2000):
        found.feed(b"::progress 0.5\n", at)
    assert found.document["progress"]["at"] == "1970-01-01T00:00:01.000Z"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"::set rows=12", {"rows": 12}),
        (b"::set ratio=-0.5e3", {"ratio": -500.0}),
        (b"::set file=/tmp/a b=c.csv \r", {"file": "/tmp/a b=c.csv"}),
        (b"::set empty=", {"empty": ""}),
        (b"::set zip=01310", {"zip": "01310"}),
        (b"::set big=" + b"9" * 30, {"big": "9" * 30}),
        (b"::set huge=1e999", {"huge": "1e999"}),
        (b"::set nan=NaN", {"nan": "NaN"}),
        ("::set arabic=٤".encode(), {"arabic": "٤"}),
        (b"::set yes=true", {"yes": "true"}),
        (b"::set red=\x1b[31m\x00", {"red": "\ufffd[31m\ufffd"}),
        (b"::set long=" + b"x" * VALUE_MAX, {"long": "x" * VALUE_MAX}),
        (b"::set long=" + b"x" * (VALUE_MAX + 1), {}),
        (b"::set " + b"n" * 65 + b"=1", {}),
        (b"::set a.b=1", {}),
        (b"::set $where=1", {}),
        (b"::set 1st=1", {}),
        (b"::set rows = 1", {}),
        (b"::set rows", {}),
        (b"::set-output name=rows::1", {}),
    ],
)
def test_a_fact_is_a_name_and_a_number_or_text(line: bytes, expected: dict[str, Any]) -> None:
    found = facts(line)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


def test_the_last_value_of_a_fact_counts() -> None:
    assert facts(b"::set rows=1\n::set rows=2\n") == {"rows": 2}


def test_facts_beyond_their_number_are_plain_output_and_known_ones_still_change() -> None:
    lines = b"".join(b"::set n%d=%d\n" % (number, number) for number in range(FACTS_MAX + 5))
    found = facts(lines + b"::set n0=new\n")
    assert len(found) == FACTS_MAX
    assert found["n0"] == "new"


def test_what_is_said_again_is_no_news() -> None:
    found = told(b"::set rows=1\n::progress 0.5\n")
    found.news = False
    found.feed(b"::set rows=1\n::progress 0.5\n", 0)
    assert not found.news
    found.feed(b"::set rows=1.0\n", 0)
    assert found.news


def test_a_line_without_an_end_counts_at_the_end() -> None:
    assert facts(b"::set rows=1") == {"rows": 1}


def test_a_read_of_nothing_changes_nothing() -> None:
    assert facts(b"line\n", b"", b"::set rows=1\n") == {"rows": 1}


LINES = st.lists(
    st.sampled_from(
        [
            b"::progress 0.25",
            b"::progress 75% more",
            b"::set rows=1",
            b"::set rows=2\r",
            b"::set note=text",
            b"::set long=" + b"y" * 2000,
            *(b"::progress 0.5 " + b"z" * size for size in range(1090, 1130)),
            b":: set rows=9",
            b"a ::set rows=9",
            b"::",
            b":",
            b"",
            b"x" * 1500,
        ]
    )
)


@given(LINES, st.data())
def test_it_does_not_matter_how_reads_cut_the_output(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    places = [0, *cuts, len(whole)]
    parts = [whole[start:end] for start, end in pairwise(places)]
    assert told(*parts).document == told(whole).document


@given(st.lists(st.binary(max_size=100) | st.sampled_from([b"\n::", b"::set ", b"a=", b"::progress 1\n"])))
def test_nothing_that_is_written_does_harm(parts: list[bytes]) -> None:
    json.dumps(told(*parts).document, allow_nan=False)


def test_only_stdout_tells() -> None:
    capture = Capture("0123456789abcdef", limit=1000)
    capture.feed(Stream.STDERR, b"::set rows=1\n", 0)
    capture.feed(Stream.STDOUT, b"::set lines=2\n", 0)
    capture.finish(0)
    assert capture.told.document == {"facts": {"lines": 2}}


def test_a_secret_is_masked_in_what_is_told_too() -> None:
    capture = Capture("0123456789abcdef", limit=1000, masks=[b"open sesame"])
    capture.feed(Stream.STDOUT, b"::set word=open ses", 0)
    capture.feed(Stream.STDOUT, b"ame", 0)
    capture.finish(0)
    assert capture.told.document == {"facts": {"word": "***"}}


def test_the_lines_stay_in_the_output() -> None:
    capture = Capture("0123456789abcdef", limit=1000)
    frames = capture.feed(Stream.STDOUT, b"::set rows=1\n", 0)
    assert frames[0].payload == b"::set rows=1\n"
