from __future__ import annotations

import logging
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.executions import START
from windmill.scheduler.backlog import Backlog, read


def failed(backlog: Backlog, seconds: float = 0, *, waiting: int = 5, full: bool = False) -> None:
    backlog.failed("no answer", START + timedelta(seconds=seconds), waiting=waiting, full=full, rejected=0)


def succeeded(
    backlog: Backlog, seconds: float = 0, *, waiting: int = 0, full: bool = False, rejected: int = 0
) -> None:
    at = START + timedelta(seconds=seconds)
    backlog.succeeded(at, waiting=waiting, full=full, rejected=rejected)


def test_nothing_is_said_while_everything_is_as_it_should_be(tmp_path: Path) -> None:
    succeeded(Backlog(tmp_path))
    assert read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_is_told_in_a_file_for_the_owner_alone(tmp_path: Path) -> None:
    failed(Backlog(tmp_path), 1)
    assert read(tmp_path) == {
        "bytes": 5,
        "away_since": "2026-01-01T00:00:01.000Z",
        "error": "no answer",
        "full": False,
        "rejected": 0,
        "at": "2026-01-01T00:00:01.000Z",
    }
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_waits_is_told_every_two_seconds_at_most(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    told = []
    for number in range(7):
        failed(backlog, number / 2, waiting=number)
        told.append((read(tmp_path) or {})["bytes"])
    assert told == [0, 0, 0, 0, 4, 4, 4]


def test_that_output_is_cut_is_told_at_once(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    failed(backlog)
    failed(backlog, 0.1, full=True)
    assert (read(tmp_path) or {})["full"] is True


def test_a_store_that_is_back_is_told_at_once(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    failed(backlog)
    succeeded(backlog, 0.1)
    assert read(tmp_path) is None
    assert backlog.document == {"bytes": 0, "away_since": None, "error": None, "full": False, "rejected": 0}


def test_what_was_set_aside_stays_told(tmp_path: Path) -> None:
    succeeded(Backlog(tmp_path), rejected=2)
    told = read(tmp_path) or {}
    assert (told["rejected"], told["away_since"]) == (2, None)


def test_what_a_killed_recorder_left_behind_goes_with_the_first_good_round(tmp_path: Path) -> None:
    failed(Backlog(tmp_path))
    succeeded(Backlog(tmp_path))
    assert read(tmp_path) is None


def test_a_recorder_that_ends_leaves_nothing_to_be_believed(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    failed(backlog)
    backlog.close()
    assert read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"bytes": 1}', "x" * 20_000])
def test_a_file_that_is_damaged_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "store.json").write_text(content)
    assert read(tmp_path) is None


def test_a_disk_without_room_does_not_keep_the_recorder_from_its_work(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path / "gone")
    failed(backlog)
    assert backlog.failures == 1


def test_coming_back_and_having_shipped_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    backlog = Backlog(tmp_path)
    for second in range(3):
        failed(backlog, second)
    succeeded(backlog, 63.5, waiting=9)
    succeeded(backlog, 64)
    succeeded(backlog, 65)
    assert caplog.messages == ["the store is back after 0:01:03", "what waited in the journal is stored"]


def test_a_full_journal_is_logged_when_it_begins_and_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backlog = Backlog(tmp_path)
    for full in (True, True, False, False):
        failed(backlog, full=full)
    assert caplog.messages == [
        "the journal has reached its size limit: output of jobs is cut, and counted",
        "the journal has room again: output of jobs is kept again",
    ]
