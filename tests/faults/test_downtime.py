"""What becomes of slots that were due while no scheduler ran, for longer than a slot counts as late."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.documents import Document

DOWN = 80.0  # seconds; slots older than a minute are missed
pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]


def after_a_downtime(root: Path, choices: list[str]) -> dict[str, list[Document]]:
    """Return, by what its catch_up says, what each job's slots became until its first slot that was not missed."""
    with Live(root) as live:
        live.script("quick.py", "print('quick')\n")
        for choice in choices:
            live.job(choice, f"entry_point: quick.py\nschedule: {{interval: 4s, catch_up: {choice}}}\n")
        live.up()
        until(lambda: all(live.ended(f"p/{choice}") for choice in choices))
        live.terminate()
        before = {one["id"] for one in live.executions()}
        time.sleep(DOWN)  # the length of the downtime is the point of the test
        live.up()

        def new(choice: str) -> list[Document]:
            return [one for one in live.executions(f"p/{choice}") if one["id"] not in before]

        def is_over(choice: str) -> bool:
            return any(one["trigger"] == "schedule" and one["state"] == "succeeded" for one in new(choice))

        until(lambda: all(map(is_over, choices)))
        return {choice: new(choice) for choice in choices}


def test_missed_slots_are_skipped_or_counted_as_the_job_asks(tmp_path: Path) -> None:
    became = after_a_downtime(tmp_path / "home", ["none", "last"])
    assert [one["reason"] for one in became["none"] if one["state"] == "skipped"] == ["missed"]
    assert {one["trigger"] for one in became["none"]} == {"schedule"}
    assert {one["state"] for one in became["last"]} == {"succeeded"}
    assert became["last"][0]["coalesced"] >= 15


def test_with_catch_up_all_every_missed_slot_has_an_execution_of_its_own_in_order(tmp_path: Path) -> None:
    caught = [one for one in after_a_downtime(tmp_path / "home", ["all"])["all"] if one["trigger"] == "catch_up"]
    assert len(caught) >= 4
    assert {one["coalesced"] for one in caught} == {0}
    assert [one["slot"] for one in caught] == sorted(one["slot"] for one in caught)
