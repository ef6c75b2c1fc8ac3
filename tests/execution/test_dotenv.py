from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.errors import WindmillError
from windmill.execution.dotenv import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("A=", ""),
        ("A= ", ""),
        ("export A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=two words # comment", "two words"),
        ("A=a#b", "a#b"),
        ("A=#b", "#b"),
        ("A= # comment", ""),
        ("A=a=b", "a=b"),
        ("A=it's", "it's"),
        ("A=$HOME", "$HOME"),
        ("A='a # b'", "a # b"),
        ("A='a\\nb' # comment", "a\\nb"),
        ("A='two\nlines'", "two\nlines"),
        ('A="two\nlines"', "two\nlines"),
        ('A="a\\tb\\n\\"c\\" \\\\ \\$d \\e"', 'a\tb\n"c" \\ $d \\e'),
        ("A='it''s'", None),
        ('A="open', None),
        ("A", None),
        ("=1", None),
        ("1A=1", None),
        ("A-B=1", None),
    ],
)
def test_a_line_sets_a_value_or_is_refused(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(WindmillError, match=r"^x\.env:2: expected NAME=value"):
            parse(f"B=0\n{text}\nC=3\n".encode(), "x.env")
    else:
        assert parse(f"B=0\n{text}\nC=3".encode(), "x.env") == {"A": value, "B": "0", "C": "3"}


def test_blank_lines_comments_and_windows_line_ends_are_ignored() -> None:
    assert parse("\ufeff# head\r\n\r\n \t\r\nA=1\r\n  # tail".encode(), "x.env") == {"A": "1"}


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_any_text_survives_double_quotes(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'A="{quoted}"'.encode(), "x.env") == {"A": value}


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(WindmillError):
        assert all(parse(data, "x.env"))
