from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.paths import is_module, mistake_in


@pytest.mark.parametrize("path", ["a.py", "a/b.py", "./a", "a..b", "...", "a b.py", "ação.py", "a//b"])
def test_plain_relative_paths_are_fine(path: str) -> None:
    assert mistake_in(path) == ""


@pytest.mark.parametrize(
    "path",
    ["", " ", "..", "../a", "a/..", "a/../b", "/a", "~", "~a", "-a", "a\0", "a\nb", "a\x7f", "a\\b", " a", "a "],
)
def test_anything_else_has_a_mistake(path: str) -> None:
    assert mistake_in(path)


@given(st.text(alphabet="ab./~-\\ ", max_size=12))
def test_a_path_without_mistake_stays_below_any_root(path: str) -> None:
    if not mistake_in(path):
        joined = PurePosixPath("/root") / path
        assert joined.is_relative_to("/root")
        assert ".." not in joined.parts


@pytest.mark.parametrize(
    ("entry_point", "expected"),
    [("-m a", True), ("-m a.b_1", True), ("-m", False), ("-m a.", False), ("-m 1a", False), ("a.py", False)],
)
def test_modules_are_told_from_files(entry_point: str, *, expected: bool) -> None:
    assert is_module(entry_point) is expected
