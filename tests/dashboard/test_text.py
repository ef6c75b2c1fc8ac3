from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from windmill.core.ports import OutputBlock
from windmill.dashboard.text import LINE_MAX, Line, decoded, lines, plain, visible


def block(first: int, data: bytes, stream: int = 1) -> OutputBlock:
    return OutputBlock("0" * 16, first, first, stream, 0, data)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title that never ends\nnext", "\nnext"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b(Bset", "set"),
        ("cut \x1b[3", "cut "),
        ("10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("50%\r", "50%"),
        ("\r\r\r", ""),
        ("bell\x07 nul\x00 c1\x9b", "bell\ufffd nul\ufffd c1\ufffd"),
        ("ab\u202ecd", "ab\ufffdcd"),
        ("tab\tstays <b>&", "tab\tstays <b>&"),
    ],
)
def test_text_is_what_stood_there_at_last_without_what_steers_a_terminal(written: str, read: str) -> None:
    assert plain(written) == read


@given(st.text(alphabet="a\x1b[]0m;\x07\\\r\n\x9b\u202e ", max_size=60))
def test_whatever_was_written_nothing_that_steers_is_left_and_no_line_is_lost(written: str) -> None:
    read = plain(written)
    assert not set(read) & set("\x1b\r\x07\x9b\u202e")
    assert read.count("\n") == written.count("\n")


def test_characters_cut_between_blocks_are_whole_in_each_stream() -> None:
    euro = "€".encode()
    blocks = [block(1, euro[:1]), block(2, euro[:2], stream=2), block(3, euro[1:]), block(4, euro[2:], stream=2)]
    assert decoded(blocks, note="cut") == "€€"


def test_missing_frames_are_told_of() -> None:
    assert decoded([block(1, b"a\n"), block(9, b"z")], note="7 bytes cut") == "a\n\n[... 7 bytes cut ...]\nz"


def test_what_a_template_made_itself_stays_as_it_is() -> None:
    made = Markup("<b>\r</b>")
    assert visible(made) is made
    assert visible(3) == 3


def test_lines_know_their_number_and_when_they_began() -> None:
    blocks = [block(1, b"a\nb")._replace(at=10), block(2, b"b\n\x1b[1mc")._replace(at=20)]
    assert lines(blocks, note="cut", first=7) == [Line(7, 10, "a", 0), Line(8, 10, "bb", 0), Line(9, 20, "c", 0)]


def test_of_a_line_without_end_the_beginning_is_kept_and_the_rest_counted() -> None:
    (line,) = lines([block(1, b"x" * (LINE_MAX + 5))], note="cut")
    assert (len(line.text), line.more) == (LINE_MAX, 5)


@given(st.lists(st.text(alphabet="ab\n\r\x1b[m", max_size=8), max_size=6))
def test_lines_are_the_plain_text_however_it_came_in_blocks(written: list[str]) -> None:
    blocks = [block(number, text.encode()) for number, text in enumerate(written, 1)]
    found = "\n".join(line.text for line in lines(blocks, note="cut"))
    read = plain("".join(written))
    assert found in {read, read.removesuffix("\n")}  # a last line may hold nothing that is seen
