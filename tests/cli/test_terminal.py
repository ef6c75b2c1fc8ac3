from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.cli.terminal import TerminalFilter


def shown(*blocks: bytes, colors: bool = True) -> str:
    safe = TerminalFilter(colors=colors)
    return "".join(map(safe.feed, blocks)) + safe.feed(b"", final=True)


def test_plain_text_passes_with_its_line_ends_tabs_and_returns() -> None:
    assert shown("é\t1\r\n50 %\r100 %\n".encode()) == "é\t1\r\n50 %\r100 %\n"


def test_colors_pass_and_are_reset_at_the_end() -> None:
    assert shown(b"\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"


def test_colors_go_where_they_are_not_wanted() -> None:
    assert shown(b"\x1b[1;31mred\x1b[0m", colors=False) == "red"


@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b[2J",  # clear
        b"\x1b[10;10H",  # move the cursor
        b"\x1b[?1049h",  # another screen
        b"\x1b]0;title\x07",
        b"\x1b]8;;http://x\x1b\\",  # a link
        b"\x1b]52;c;cm0gLXJm\x07",  # write to the clipboard
        b"\x1bP+q544e\x1b\\",  # ask the terminal, which types the answer
        b"\x1b[6n",
        b"\x1bc",  # reset
        b"\x1b(0",  # another character set
        b"\x07",
        b"\x08",
        b"\x00",
        "\x9b2J".encode(),  # C1
        b"\x7f",
    ],
)
def test_nothing_else_reaches_the_terminal(sequence: bytes) -> None:
    text = shown(b"a" + sequence + b"b")
    assert text in ("ab", "a2Jb")


def test_a_sequence_that_never_ends_does_not_hold_the_output_back() -> None:
    assert TerminalFilter(colors=True).feed(b"a\x1b]0;" + b"x" * 5000).endswith("xxx")


def test_a_character_cut_in_two_blocks_is_whole() -> None:
    assert shown("é".encode()[:1], "é".encode()[1:]) == "é"


def test_bytes_that_are_no_text_show_as_such() -> None:
    assert shown(b"a\xffb") == "a\N{REPLACEMENT CHARACTER}b"


@given(st.binary(max_size=60), st.integers(0, 60))
def test_nothing_dangerous_comes_out_of_any_bytes_cut_anywhere(data: bytes, cut: int) -> None:
    text = shown(data[:cut], data[cut:])
    rest = [part for part in text.split("\x1b[")[1:] if "m" not in part]
    assert rest == []
    assert not set(text.replace("\x1b[", "")) & set(map(chr, {*range(9), 11, 12, *range(14, 32), *range(127, 160)}))


@given(
    st.lists(st.sampled_from([b"\x1b[31m", b"\x1b]0;t\x07", b"\x1b[2J", b"text", "é".encode(), b"\n"]), max_size=8),
    st.integers(0, 60),
)
def test_where_blocks_are_cut_makes_no_difference(parts: list[bytes], cut: int) -> None:
    data = b"".join(parts)
    assert shown(data[:cut], data[cut:]) == shown(data)
