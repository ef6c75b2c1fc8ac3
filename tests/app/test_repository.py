from __future__ import annotations

from pathlib import Path

import pytest

from windmill.app.repository import Repository, Settled
from windmill.projects.published import Published, Revision

GOOD = "entry_point: main.py\nschedule: {interval: 1h}\n"
BROKEN = "entry_point: [\n"


class Repo:
    """Revisions of one project, each a directory of job files, published one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reader = Repository(timezone="UTC", defaults={})
        self.known = Published(project="reports")

    def publish(self, key: str, **files: str) -> Settled:
        """Publish a revision with these job files and return what it makes of the project."""
        root = self.root / key
        (root / "jobs.d").mkdir(parents=True)
        (root / "main.py").touch()
        for name, text in files.items():
            (root / "jobs.d" / f"{name}.yaml").write_text(text)
        revision = Revision(name=f"main@sha1:{key}", key=key, root=str(root), python="python3")
        settled = self.reader.settled(self.known, revision)
        revisions = {**self.known.revisions, key: revision}
        self.known = Published(project="reports", applied=revision, good=settled.good, revisions=revisions)
        return settled


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def test_the_jobs_of_a_revision_belong_to_its_project(repo: Repo) -> None:
    assert repo.publish("a1", nightly=GOOD).jobs["reports/nightly"].entry_point == "main.py"


def test_a_project_without_job_files_has_no_jobs(tmp_path: Path) -> None:
    revision = Revision(name="main@sha1:a1", key="a1", root=str(tmp_path), python="python3")
    settled = Repository(timezone="UTC", defaults={}).settled(Published(project="reports"), revision)
    assert (settled.jobs, settled.problems) == ({}, ())


def test_a_broken_file_holds_its_job_at_the_revision_where_it_was_good(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD, daily=GOOD)
    settled = repo.publish("b2", nightly=BROKEN, daily=GOOD)
    assert settled.held == {"reports/nightly": "a1"}
    assert settled.good == {"nightly.yaml": "a1", "daily.yaml": "b2"}


def test_a_held_job_keeps_its_definition(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD + "description: as it was\n")
    assert repo.publish("b2", nightly=BROKEN).jobs["reports/nightly"].description == "as it was"


def test_a_job_stays_held_while_its_file_stays_broken(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD)
    repo.publish("b2", nightly=BROKEN)
    assert repo.publish("c3", nightly=BROKEN).held == {"reports/nightly": "a1"}


def test_a_mended_file_moves_on(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD)
    repo.publish("b2", nightly=BROKEN)
    settled = repo.publish("c3", nightly=GOOD)
    assert (settled.held, settled.good) == ({}, {"nightly.yaml": "c3"})


def test_a_removed_file_removes_its_job(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD, daily=GOOD)
    assert set(repo.publish("b2", daily=GOOD).jobs) == {"reports/daily"}


def test_a_removed_file_that_was_broken_removes_its_job(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD, daily=GOOD)
    repo.publish("b2", nightly=BROKEN, daily=GOOD)
    assert set(repo.publish("c3", daily=GOOD).jobs) == {"reports/daily"}


def test_a_file_that_never_was_good_gives_a_problem_and_no_job(repo: Repo) -> None:
    settled = repo.publish("a1", nightly=BROKEN)
    assert settled.jobs == {}
    assert "reports@a1:jobs.d/nightly.yaml" in settled.problems[0].file


def test_a_job_cannot_run_the_code_of_another_project(repo: Repo) -> None:
    settled = repo.publish("a1", nightly=GOOD + "project: payroll\n")
    assert settled.jobs == {}
    assert "unknown project" in settled.problems[0].message


def test_two_files_that_claim_one_job_leave_it_where_it_was(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD)
    settled = repo.publish("b2", nightly=GOOD, other=GOOD + "name: nightly\n")
    assert settled.held == {"reports/nightly": "a1"}


def test_a_job_file_that_links_out_of_the_project_is_not_read(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    root = tmp_path / "a1"
    (root / "jobs.d").mkdir(parents=True)
    (root / "jobs.d" / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    revision = Revision(name="main@sha1:a1", key="a1", root=str(root), python="python3")
    settled = repo.reader.settled(repo.known, revision)
    assert "leads out" in settled.problems[0].message
    assert "hunter2" not in str(settled.problems)


def test_what_is_published_settles_the_same_after_a_restart(repo: Repo) -> None:
    repo.publish("a1", nightly=GOOD, daily=GOOD)
    before = repo.publish("b2", nightly=BROKEN, daily=GOOD)
    assert repo.known.applied is not None
    again = Repository(timezone="UTC", defaults={}).settled(repo.known, repo.known.applied)
    assert (again.jobs, again.held, again.good) == (before.jobs, before.held, before.good)
