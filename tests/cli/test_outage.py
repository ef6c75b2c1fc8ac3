"""What the command line says while the store is away, and what it shows all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import windmill
from tests.support.journals import record, writer
from windmill.core.model import State
from windmill.scheduler.lock import HomeLock

KNOWN = {
    "bytes": 3 << 20,
    "away_since": "2026-01-01T12:00:00.000Z",
    "error": "it is gone",
    "full": False,
    "rejected": 0,
    "at": "2026-01-01T12:05:00.000Z",
}


@pytest.fixture
def away(home: Path) -> Iterator[Path]:
    """A home whose scheduler lives, whose store cannot be opened, and where one execution runs and one has ended."""
    state = home / ".windmill"
    (state / "windmill.db").mkdir(parents=True)
    say(home)
    own = writer(state / "journal", "scheduler")
    own.append([record(1, job="p/hello"), record(2, State.SUCCEEDED, job="p/other")])
    own.close(settled=False)
    with closing(HomeLock(state / "lock", holder={})):
        yield home


def say(home: Path, **changes: Any) -> None:
    (home / ".windmill" / "store.json").write_text(json.dumps(KNOWN | changes))


@pytest.mark.parametrize("verb", [["ps"], ["ps", "-a"], ["jobs"], ["logs", "hello"], ["show", "hello"]])
def test_verbs_that_need_the_store_say_since_when_it_is_away_and_end_with_5(away: Path, verb: list[str]) -> None:
    outcome = windmill(away, *verb)
    assert outcome.status == 5
    assert "the store is away since 2026-01-01 12:00:00 UTC" in outcome.err
    assert "3.0 MiB wait in the journal, and jobs go on" in outcome.err


def test_doctor_says_it_too_and_looks_at_everything_else(away: Path) -> None:
    outcome = windmill(away, "doctor", "--json")
    found = {row["about"]: row for row in outcome.json}
    assert outcome.status == 5
    assert "the store is away since" in found["store"]["found"]
    assert found["scheduler"]["found"] == "running, and 1 execution with it"
    assert found["files"]["verdict"] == "ok"


def test_what_is_open_is_listed_from_local_files(away: Path) -> None:
    outcome = windmill(away, "ps")
    assert [line.split("\t")[1:3] for line in outcome.out.splitlines()] == [["p/hello", "running"]]
    assert "from local files" in outcome.err


def test_json_carries_the_sentence_the_numbers_and_what_is_open(away: Path) -> None:
    told = windmill(away, "ps", "--json").json
    assert told["error"].startswith("the store is away since")
    assert told["store"] == KNOWN
    assert [one["job"] for one in told["executions"]] == ["p/hello"]


def test_a_journal_at_its_limit_is_mentioned(away: Path) -> None:
    say(away, full=True)
    assert "output that does not fit is cut" in windmill(away, "ps").err


@pytest.mark.parametrize(
    ("facts", "words"), [({"full": True}, "output is being cut"), ({"rejected": 2}, "2 documents")]
)
def test_doctor_tells_what_was_lost_or_set_aside(away: Path, facts: dict[str, Any], words: str) -> None:
    say(away, **facts)
    found = {row["about"]: row for row in windmill(away, "doctor", "--json").json}
    assert (found["journal"]["verdict"], words in found["journal"]["found"]) == ("problem", True)


def test_without_a_scheduler_nothing_is_said_to_go_on(home: Path) -> None:
    (home / ".windmill" / "windmill.db").mkdir(parents=True)
    say(home)
    assert "and no scheduler is running" in windmill(home, "ps").err


def test_before_the_recorder_has_noticed_the_obstacle_is_named(away: Path) -> None:
    (away / ".windmill" / "store.json").unlink()
    outcome = windmill(away, "jobs", "--json")
    assert outcome.status == 5
    assert outcome.json["store"] is None
    assert "windmill.db" in outcome.json["error"]
