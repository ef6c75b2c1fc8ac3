from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import Site
from windmill.core.documents import Document
from windmill.core.ports import Batch, Store
from windmill.dashboard.catalog import all_jobs, jobs, latest, next_start
from windmill.store.sqlite import SqliteStore


class Home:
    """A dashboard that tells how often all jobs were read, and how often it was found out when one is due."""

    def __init__(self, database: Path) -> None:
        self.now = NOON
        self.read = 0
        self.asked: list[str] = []
        self.site = Site(database, open_store=self._open, starts=self._starts, clock=lambda: self.now)
        self.database = database

    def put(self, *jobs: Document) -> None:
        self.site.put(Batch(jobs=list(jobs)))

    def names(self) -> list[str]:
        with self.site.app.test_request_context():
            return [job["id"] for job in all_jobs()]

    def due(self, key: str = "p/hello") -> datetime | None:
        with self.site.app.test_request_context():
            return next_start(next(job for job in jobs() if job["id"] == key))

    def _open(self, readonly: bool) -> Store:
        home = self

        class Counting(SqliteStore):
            def jobs(self) -> list[Document]:
                home.read += 1
                return super().jobs()

        return Counting(self.database, readonly=readonly)

    def _starts(self, job: Document, now: datetime) -> Iterator[datetime]:
        self.asked.append(job["id"])
        if job["enabled"]:
            yield now + timedelta(minutes=10)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "windmill.db")


def test_jobs_are_read_once_until_one_changes(home: Home) -> None:
    home.put(a_job(id="p/a"))
    assert (home.names(), home.names(), home.read) == (["p/a"], ["p/a"], 1)
    home.put(a_job(id="p/b"))
    assert (home.names(), home.names(), home.read) == (["p/a", "p/b"], ["p/a", "p/b"], 2)


def test_jobs_that_are_told_again_as_they_were_are_not_read_again(home: Home) -> None:
    home.put(a_job())
    assert home.names() == ["p/hello"]
    home.put(a_job())
    assert (home.names(), home.read) == (["p/hello"], 1)


def test_where_nobody_tells_of_changes_jobs_are_read_each_time(home: Home) -> None:
    home.put(a_job(id="p/a"))
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DELETE FROM status WHERE name = 'jobs'")
        connection.commit()
    assert (home.names(), home.names(), home.read) == (["p/a"], ["p/a"], 2)


def test_of_what_a_file_says_a_list_has_the_schedule_only(home: Home) -> None:
    home.put(a_job(document={"schedule": {"interval": "1h"}, "env": {"SIZE": "large"}}), {"id": "p/old"})
    with home.site.app.test_request_context():
        assert [job.get("document") for job in all_jobs()] == [{"schedule": {"interval": "1h"}}, None]


def test_jobs_that_are_gone_and_the_systems_are_in_no_list_for_people(home: Home) -> None:
    home.put(a_job(), a_job(id="p/gone", deleted=True), a_job(id="p/~sync", system=True))
    with home.site.app.test_request_context():
        assert [job["id"] for job in jobs()] == ["p/hello"]


def test_the_last_execution_of_each_job_is_known_by_its_state(home: Home) -> None:
    home.put(a_job(), a_job(id="p/never"))
    home.site.put(Batch(executions=[an_execution()]))
    with home.site.app.test_request_context():
        found = {key: last["state"] for key, last in latest(jobs()).items()}
    assert found == {"p/hello": "succeeded"}


def test_when_a_job_is_due_is_found_out_again_once_that_has_passed(home: Home) -> None:
    home.put(a_job())
    assert home.due() == NOON + timedelta(minutes=10)
    home.now = NOON + timedelta(minutes=9)
    assert (home.due(), len(home.asked)) == (NOON + timedelta(minutes=10), 1)
    home.now = NOON + timedelta(minutes=10)
    assert (home.due(), len(home.asked)) == (NOON + timedelta(minutes=20), 2)


def test_when_a_clock_went_back_it_is_found_out_again(home: Home) -> None:
    home.put(a_job())
    home.due()
    home.now = NOON - timedelta(hours=1)
    assert home.due() == NOON - timedelta(minutes=50)


def test_another_job_changed_and_this_one_is_due_as_before(home: Home) -> None:
    home.put(a_job(), a_job(id="p/other"))
    home.due()
    home.put(a_job(id="p/other", enabled=False))
    assert (home.due(), home.due("p/other")) == (NOON + timedelta(minutes=10), None)
    assert home.asked == ["p/hello", "p/other"]


def test_a_job_that_changed_is_due_as_it_is_now(home: Home) -> None:
    home.put(a_job())
    home.due()
    home.put(a_job(enabled=False))
    assert home.due() is None
    assert home.due() is None
    assert len(home.asked) == 2
