from __future__ import annotations

import pytest

from windmill.dashboard.runbook import RENDERED_MAX, first_line, runbook


def test_the_first_line_is_no_part_of_the_runbook() -> None:
    description = "Loads the balances\n\nCall **treasury** first."
    assert first_line(description) == "Loads the balances"
    assert runbook(description) == "<p>Call <strong>treasury</strong> first.</p>\n"


def test_a_description_of_one_line_has_no_runbook() -> None:
    assert runbook("Loads the balances") == ""


def test_a_line_ends_where_its_writer_ended_it() -> None:
    assert "<br" in runbook("x\n\none\ntwo")


def test_headings_stand_below_those_of_the_page() -> None:
    assert runbook("x\n\n# When it fails\n\n##### Later") == "<h3>When it fails</h3>\n<h6>Later</h6>\n"


@pytest.mark.parametrize(
    "written",
    [
        "<script>alert(1)</script>",
        "<b onmouseover=alert(1)>",
        "![](https://evil.example/pixel)",
        "[x](javascript:alert(1))",
        "<javascript:alert(1)>",
        "[x](data:text/html,<script>alert(1)</script>)",
    ],
)
def test_nothing_in_it_acts(written: str) -> None:
    html = runbook(f"x\n\n{written}")
    for danger in ("<script", "<b ", "<img", 'href="javascript', 'href="data'):
        assert danger not in html


def test_what_is_too_long_to_be_read_as_markdown_is_shown_as_it_is() -> None:
    assert runbook("x\n" + "*<b>" * RENDERED_MAX).startswith("<pre>*&lt;b&gt;")
