from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from windmill.cli.text import clean, one_line, relative, size, span

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=340), "340 ms"),
        (timedelta(milliseconds=1234), "1.23 s"),
        (timedelta(seconds=5), "5 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=3, seconds=20), "3 min 20 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, seconds=5), "2 h"),
        (timedelta(days=4, hours=1, minutes=9), "4 d 1 h"),
    ],
)
def test_a_span_has_two_units_at_most(length: timedelta, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "now"), (5, "in 5 s"), (-20, "20 s ago"), (-7200, "2 h ago"), (90, "in 1 min 30 s")]
)
def test_distances_say_their_direction(seconds: float, words: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == words


def test_nothing_in_a_name_can_steer_a_terminal_or_turn_text_around() -> None:
    assert clean("a\x1b[2Jb\u202ec\x9bd") == "a\ufffd[2Jb\ufffdc\ufffdd"


def test_white_space_becomes_blanks() -> None:
    assert clean("a\tb\r\nc") == "a b  c"


def test_one_line_is_the_first_and_short() -> None:
    assert one_line("first " * 20 + "\nsecond", width=10) == "first fir…"


@pytest.mark.parametrize(
    ("length", "words"), [(512, "512 B"), (1536, "1.5 KiB"), (10 << 20, "10.0 MiB"), (3 << 40, "3072.0 GiB")]
)
def test_sizes_have_binary_units(length: int, words: str) -> None:
    assert size(length) == words
