from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.ports import Frame, Kind, Stream
from windmill.execution.capture import FRAME_MAX, Capture

EXECUTION = "0123456789abcdef"
OUT, ERR = int(Stream.STDOUT), int(Stream.STDERR)


def kept(frames: Iterable[Frame]) -> list[Frame]:
    """The output frames that no DROP among `frames` covers, which is what the store holds in the end."""
    output: list[Frame] = []
    for frame in frames:
        if frame.kind == Kind.DROP:
            drop = json.loads(frame.payload)
            output = [one for one in output if not drop["first"] <= one.sequence <= drop["last"]]
        else:
            output.append(frame)
    return output


def text(frames: Iterable[Frame]) -> bytes:
    return b"".join(frame.payload for frame in kept(frames))


def of(stream: int, frames: Iterable[Frame]) -> bytes:
    return text(frame for frame in frames if frame.kind == Kind.DROP or frame.stream == stream)


def captured(
    reads: Sequence[bytes], *, limit: int = 1 << 20, masks: Sequence[bytes] = (), flush_every: int = 3
) -> tuple[Capture, list[Frame]]:
    capture = Capture(EXECUTION, limit=limit, masks=masks)
    frames: list[Frame] = []
    for number, data in enumerate(reads):
        frames += capture.feed(OUT, data, number)
        if number % flush_every == 0:
            frames += capture.flush(number)
    return capture, frames + capture.finish(len(reads))


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in pairwise(places)]


cut_places = st.lists(st.integers(0, 10_000), max_size=40)


def test_output_below_the_head_becomes_frames_at_once() -> None:
    capture = Capture(EXECUTION, limit=100)
    assert capture.feed(ERR, b"hello\n", 7) == [Frame(Kind.OUTPUT, EXECUTION, 1, ERR, 7, b"hello\n")]


def test_both_streams_share_one_sequence_in_order_of_arrival() -> None:
    capture = Capture(EXECUTION, limit=100)
    frames = capture.feed(OUT, b"a", 1) + capture.feed(ERR, b"b", 2) + capture.feed(OUT, b"c", 3)
    assert [(f.sequence, f.stream, f.at, f.payload) for f in frames] == [
        (1, OUT, 1, b"a"), (2, ERR, 2, b"b"), (3, OUT, 3, b"c"),
    ]  # fmt: skip


def test_both_streams_keep_their_order_behind_the_head() -> None:
    capture = Capture(EXECUTION, limit=4000)
    head = capture.feed(OUT, b"h" * 2000, 0)
    for number, stream in enumerate([OUT, OUT, ERR, OUT]):
        assert capture.feed(stream, b"%d" % number, number) == []
    frames = capture.flush(9)
    assert [(f.sequence, f.stream, f.at, f.payload) for f in frames] == [
        (2, OUT, 0, b"01"), (3, ERR, 2, b"2"), (4, OUT, 3, b"3"),
    ]  # fmt: skip
    assert head[0].sequence == 1


def test_nothing_is_cut_up_to_the_limit() -> None:
    data = bytes(range(250)) * 4
    capture, frames = captured([data[:501], data[501:]], limit=1000)
    assert (text(frames), capture.output_bytes, capture.cut_bytes) == (data, 1000, 0)


def test_bytes_are_bytes() -> None:
    data = b"\xff\xfe\0\r\x1b[31m\xc3" * 1000
    assert text(captured([data, data])[1]) == data * 2


def test_a_large_read_within_the_head_becomes_frames_of_bounded_size() -> None:
    frames = Capture(EXECUTION, limit=6 << 20).feed(OUT, b"x" * (1 << 20), 0)
    assert [len(frame.payload) for frame in frames] == [FRAME_MAX] * 4


def test_a_huge_read_without_newline_becomes_frames_of_bounded_size() -> None:
    capture, frames = captured([b"x" * (9 << 20)], limit=6 << 20)
    assert max(len(frame.payload) for frame in frames) <= FRAME_MAX
    assert len(text(frames)) == capture.output_bytes - capture.cut_bytes >= 6 << 20


def test_no_more_is_kept_than_the_limit_where_reads_allow_it() -> None:
    assert len(text(captured([b"x"] * 100, limit=20, flush_every=1)[1])) == 20


def test_no_output_is_kept_at_limit_zero_and_all_of_it_is_counted() -> None:
    capture, frames = captured([b"abc"] * 10, limit=0)
    assert (frames, capture.output_bytes, capture.cut_bytes) == ([], 30, 30)


def test_finishing_an_execution_without_output_gives_nothing() -> None:
    assert captured([])[1] == []


@given(st.binary(max_size=5000), cut_places, st.integers(0, 3000), st.integers(1, 9))
def test_head_and_tail_are_kept_and_every_byte_is_counted_whatever_the_reads(
    data: bytes, cuts: list[int], limit: int, flush_every: int
) -> None:
    capture, frames = captured(split(data, cuts), limit=limit, flush_every=flush_every)
    found = text(frames)
    assert found.startswith(data[: limit // 2])
    assert found.endswith(data[-(limit - limit // 2) :] if limit else b"")
    assert capture.output_bytes == len(data)
    assert capture.output_bytes - capture.cut_bytes == len(found)
    assert capture.cut_bytes == 0 or len(data) > limit


@given(st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.integers(1, 300), st.booleans()), max_size=300))
def test_what_is_kept_stays_within_the_limit_and_a_granule(reads: list[tuple[int, int, bool]]) -> None:
    limit = 2000
    capture = Capture(EXECUTION, limit=limit)
    frames: list[Frame] = []
    for stream, size, flush in reads:
        frames += capture.feed(stream, b"x" * size, 0)
        frames += capture.flush(0) if flush else []
        waiting = capture.output_bytes - capture.cut_bytes - len(text(frames))
        assert 0 <= waiting <= limit - limit // 2
        assert len(text(frames)) <= limit + limit // 8
    frames += capture.finish(0)
    assert len(text(frames)) == capture.output_bytes - capture.cut_bytes


def test_a_place_where_output_is_missing_misses_a_number() -> None:
    capture = Capture(EXECUTION, limit=20)
    frames = capture.feed(OUT, b"h" * 10, 0)
    frames += capture.feed(OUT, b"x" * 25, 0) + capture.flush(0)
    sequences = [frame.sequence for frame in kept(frames)]
    assert sequences[:2] == [1, 3]
    assert sequences == sorted(set(sequences))


def test_each_drop_reaches_back_to_the_beginning_of_the_tail() -> None:
    capture = Capture(EXECUTION, limit=20)
    frames = capture.feed(OUT, b"h" * 10, 0)
    for _ in range(40):
        frames += capture.feed(OUT, b"x" * 5, 0) + capture.flush(0)
    drops = [json.loads(frame.payload) for frame in frames if frame.kind == Kind.DROP]
    assert {drop["first"] for drop in drops} == {2}
    assert [drop["last"] for drop in drops] == sorted({drop["last"] for drop in drops})


def test_a_job_that_writes_byte_by_byte_for_ever_needs_few_notes() -> None:
    capture = Capture(EXECUTION, limit=2 << 20)
    capture.feed(OUT, b"h" * (1 << 20), 0)
    for number in range(200_000):
        capture.feed(OUT if number % 2 else ERR, b"x" * 8, 0)
    assert len(capture._pending) <= 4096
    assert len(capture._tail) <= 64


def test_a_flood_waits_in_no_more_than_the_tail() -> None:
    capture = Capture(EXECUTION, limit=64 << 20)
    for _ in range(100):
        capture.feed(OUT, b"x" * (1 << 20), 0)
        assert sum(len(chunk.data) for chunk in capture._pending) <= 9 << 20


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=60))
def test_lost_frames_count_as_cut_exactly(turns: list[tuple[int, bool]]) -> None:
    capture = Capture(EXECUTION, limit=500)
    written: list[Frame] = []
    for size, disk_full in turns:
        frames = capture.feed(OUT, b"x" * size, 0) + capture.flush(0)
        if disk_full:
            capture.lost(sum(len(frame.payload) for frame in frames if frame.kind == Kind.OUTPUT))
        else:
            written += frames
    frames = capture.feed(OUT, b"e" * 500, 0) + capture.finish(0)
    written += frames
    assert capture.output_bytes - capture.cut_bytes == len(text(written))


SECRET = b's3cr3t+/pa"ss wor\xc3\xa4d'


@given(st.binary(max_size=40), st.binary(max_size=40), cut_places, st.sampled_from([OUT, ERR]))
def test_a_secret_never_shows_whatever_the_reads(before: bytes, after: bytes, cuts: list[int], stream: int) -> None:
    capture = Capture(EXECUTION, limit=1 << 20, masks=[SECRET])
    frames: list[Frame] = []
    for data in split(before + SECRET + after, cuts):
        frames += capture.feed(stream, data, 0) + capture.feed(ERR + OUT - stream, b"other", 0) + capture.flush(0)
    frames += capture.finish(0)
    assert of(stream, frames) == before + b"***" + after


@given(
    st.lists(st.text("ab", min_size=1, max_size=9).map(str.encode), max_size=12).map(b"".join),
    st.lists(st.text("ab", min_size=4, max_size=9).map(str.encode), min_size=1, max_size=4),
    cut_places,
)
def test_overlapping_secrets_are_masked_the_same_whatever_the_reads(
    data: bytes, secrets: list[bytes], cuts: list[int]
) -> None:
    whole = text(captured([data], masks=secrets)[1])
    capture, frames = captured(split(data, cuts), masks=secrets)
    assert text(frames) == whole
    assert not any(secret in whole for secret in secrets)
    assert capture.output_bytes == len(whole)


@given(st.binary(min_size=6, max_size=24), st.binary(max_size=7), st.binary(max_size=7), cut_places)
def test_no_base64_of_or_around_a_secret_shows_what_decides_it(
    secret: bytes, before: bytes, after: bytes, cuts: list[int]
) -> None:
    for encode in (b64encode, urlsafe_b64encode):
        plain = encode(before + secret + after)
        found = text(captured(split(plain, cuts), masks=[secret])[1])
        assert b"***" in found
        start, stop = -(-8 * len(before) // 6), 8 * (len(before) + len(secret)) // 6
        assert plain[start:stop] not in found


def test_a_secret_that_repeats_itself_is_found_behind_a_false_beginning() -> None:
    output = b"==============key"
    for cut in range(len(output)):
        _, frames = captured([output[:cut], output[cut:]], masks=[b"==========key"])
        assert text(frames) == b"====***"


@pytest.mark.parametrize(
    "spelling",
    [
        b"s3cr3t%2B%2Fpa%22ss%20wor%C3%A4d",
        b"s3cr3t%2B%2Fpa%22ss+wor%C3%A4d",
        b"s3cr3t%2B/pa%22ss%20wor%C3%A4d",
        b's3cr3t+/pa\\"ss wor\\u00e4d',
        b's3cr3t+/pa\\"ss wor\xc3\xa4d',
        b"czNjcjN0Ky9wYSJzcyB3b3LDpGQ=",
        b"czNjcjN0Ky9wYSJzcyB3b3LDpGQ",
    ],
)
def test_encoded_secrets_are_masked(spelling: bytes) -> None:
    assert text(captured([b"[" + spelling + b"]"], masks=[SECRET])[1]) == b"[***]"


def test_the_lines_of_a_secret_are_masked_one_by_one() -> None:
    key = b"-----BEGIN KEY-----\nMIIabc\r\n  MIIdef\n}\n"
    output = b"-----BEGIN KEY-----\n>MIIabc<\n|MIIdef|\n}\n"
    assert text(captured([output], masks=[key])[1]) == b"***\n>***<\n|***|\n}\n"


def test_a_value_shorter_than_four_bytes_is_not_masked() -> None:
    assert text(captured([b"abc YWJj abcd"], masks=[b"abc", b"", b"abcd"])[1]) == b"abc YWJj ***"


def test_only_what_may_begin_a_secret_is_held_back() -> None:
    capture = Capture(EXECUTION, limit=1000, masks=[b"password"])
    assert text(capture.feed(OUT, b"the pass", 0)) == b"the "
    assert text(capture.flush(0)) == b""
    assert text(capture.feed(OUT, b"age", 0)) == b"passage"


def test_the_beginning_of_a_secret_is_shown_when_the_job_ends_there() -> None:
    capture = Capture(EXECUTION, limit=1000, masks=[b"password"])
    assert text(capture.feed(ERR, b"pass", 0)) == b""
    frames = capture.finish(3)
    assert [(f.stream, f.payload) for f in frames] == [(ERR, b"pass")]
    assert capture.output_bytes == 4
