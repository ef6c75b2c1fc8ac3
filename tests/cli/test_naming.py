from __future__ import annotations

import pytest

from windmill.cli.naming import job_key
from windmill.core.errors import NotFound, Refused

KEYS = ["dw/load", "dw/tidy", "web/load"]


def test_a_full_name_is_itself() -> None:
    assert job_key("web/load", KEYS) == "web/load"


def test_a_name_that_only_one_project_has_is_enough() -> None:
    assert job_key("tidy", KEYS) == "dw/tidy"


def test_an_ambiguous_name_lists_who_may_be_meant() -> None:
    with pytest.raises(Refused, match=r"dw/load, web/load"):
        job_key("load", KEYS)


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(NotFound, match="the nearest: dw/tidy"):
        job_key("tiddy", KEYS)


def test_a_name_like_no_other_says_where_all_are() -> None:
    with pytest.raises(NotFound, match="windmill jobs lists all"):
        job_key("zzzzz", KEYS)


def test_without_any_job_the_hint_leads_to_the_files() -> None:
    with pytest.raises(NotFound, match="windmill validate"):
        job_key("x", [])
