from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_job, an_execution
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.dashboard.search import TEXT_MAX, JobSearch, asked, meant

JOB = a_job(id="shop/nightly", description="Builds the Cube", owner="ana@example.com", labels={"team": "sales"})
FAILED = an_execution(job="shop/nightly", state=State.FAILED)


@pytest.mark.parametrize("text", ["", "night", "SHOP/", "cube", "ana@", "cube shop"])
def test_a_job_is_found_by_every_word_in_any_case(text: str) -> None:
    assert meant(JobSearch(text=text), JOB, None)


@pytest.mark.parametrize("text", ["daily", "cube daily"])
def test_a_word_that_is_nowhere_finds_nothing(text: str) -> None:
    assert not meant(JobSearch(text=text), JOB, None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JobSearch(project="shop"), True),
        (JobSearch(project="sho"), False),
        (JobSearch(label="team=sales"), True),
        (JobSearch(label="team=ops"), False),
        (JobSearch(project="shop", label="team=ops"), False),
    ],
)
def test_project_and_label_are_meant_exactly(wanted: JobSearch, found: bool) -> None:
    assert meant(wanted, JOB, None) is found


@pytest.mark.parametrize(
    ("changes", "latest", "state"),
    [
        ({}, None, "never"),
        ({}, FAILED, "failed"),
        ({"paused": {"until": None}}, FAILED, "failed"),
        ({"paused": {"until": None}}, FAILED, "paused"),
        ({"enabled": False}, None, "disabled"),
    ],
)
def test_a_job_may_be_in_several_states(changes: Document, latest: Document | None, state: str) -> None:
    assert meant(JobSearch(state=state), JOB | changes, latest)


@pytest.mark.parametrize(
    ("job", "latest", "needed"),
    [(JOB, FAILED, True), (JOB, an_execution(), False), (JOB, None, False), (JOB | {"stale": True}, None, True)],
    ids=["failed", "succeeded", "never", "broken file"],
)
def test_a_failure_and_a_broken_file_need_somebody(job: Document, latest: Document | None, needed: bool) -> None:
    assert meant(JobSearch(attention=True), job, latest) is needed


def test_an_address_says_what_is_asked_for() -> None:
    address = {"q": " cube ", "project": "shop", "state": "failed", "label": "team=sales", "attention": "1"}
    assert asked(address) == JobSearch(
        text="cube", project="shop", state="failed", label="team=sales", attention=True
    )


def test_what_makes_no_sense_does_not_restrict() -> None:
    assert not asked({"state": "broken", "attention": "yes", "page": "2"})


@given(st.dictionaries(st.sampled_from(["q", "project", "state", "label", "attention", "x"]), st.text()))
def test_any_address_can_be_read(address: dict[str, str]) -> None:
    wanted = asked(address)
    assert max(map(len, (wanted.text, wanted.project, wanted.label))) <= TEXT_MAX
    meant(wanted, JOB, FAILED)


def test_no_more_is_read_than_anybody_types() -> None:
    assert len(asked({"q": "x" * 10_000}).text) == TEXT_MAX
