"""What people are told of projects: everything that helps, and no secret."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from windmill.app.home import Home
from windmill.app.machine import machine
from windmill.app.project_facts import LISTED_MAX, REVISIONS_MAX, ProjectFacts
from windmill.projects import published, sealed
from windmill.projects.published import Attempt, Outcome, Published, Revision

OLD, LIVE, NEW = "0" * 40, "1" * 40, "2" * 40
SETTINGS = """
[projects.reports]
git = "https://ana:HUSH@git.example.com/acme/reports.git"
path = "sub"
poll = "90s"
token = {from_env = "REPORTS_TOKEN"}
webhook = {from_file = "hook.secret"}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "windmill.toml").write_text(SETTINGS)
    (tmp_path / "hook.secret").write_text("HUSH")
    (tmp_path / "projects" / "plain").mkdir(parents=True)
    home = Home(tmp_path, {"REPORTS_TOKEN": "HUSH"})
    home.make_state()
    return home


@pytest.fixture
def facts(home: Home) -> ProjectFacts:
    return ProjectFacts(home, home.projects)


def a_revision(key: str, **changes: str) -> Revision:
    facts = {"name": f"main@sha1:{key}", "key": key, "root": "/nowhere", "python": "/nowhere", "commit": key}
    return Revision(**facts | {"published_at": f"2026-01-0{int(key[0]) + 1}T00:00:00.000Z"} | changes)


def publish(home: Home, **changes: object) -> None:
    live = a_revision(LIVE)
    state = Published(project="reports", kind="git", applied=live, revisions={LIVE: live}, good={"a.yaml": LIVE})
    published.write(home.state, replace(state, **changes))  # type: ignore[arg-type] # any of its fields


def test_nothing_that_is_told_holds_a_secret(home: Home, facts: ProjectFacts) -> None:
    publish(home)
    assert "HUSH" not in repr([facts.every(), facts.one("reports")])


def test_a_source_is_told_as_it_is_settled(facts: ProjectFacts) -> None:
    one = facts.one("reports")
    assert one is not None
    assert (one["kind"], one["source"], one["ref"]) == ("git", "https://git.example.com/acme/reports.git", "main")
    assert ["token", "from_env REPORTS_TOKEN"] in one["settings"]
    assert ["webhook", "from_file hook.secret"] in one["settings"]
    assert ["poll", "90s"] in one["settings"]


def test_a_directory_is_told_by_where_it_lies(facts: ProjectFacts) -> None:
    plain = facts.every()["plain"]
    assert (plain["kind"], plain["source"], plain["syncs"]) == ("directory", "projects/plain", False)


def test_there_are_no_facts_of_what_is_no_project(facts: ProjectFacts) -> None:
    assert facts.one("nothing") is None
    assert facts.one("../reports") is None


def test_revisions_on_disk_are_told_with_the_one_that_is_live(home: Home, facts: ProjectFacts) -> None:
    publish(home)
    published.describe(home.state, "reports", a_revision(OLD))
    one = facts.one("reports")
    assert one is not None
    assert [(each["key"], each["live"], each["here"]) for each in one["revisions"]] == [
        (LIVE, True, False),
        (OLD, False, False),
    ]


def test_however_many_revisions_there_are_only_so_many_are_told(home: Home, facts: ProjectFacts) -> None:
    for number in range(REVISIONS_MAX + 5):
        published.describe(
            home.state, "reports", a_revision(f"{number:040x}", published_at="2026-01-01T00:00:00.000Z")
        )
    one = facts.one("reports")
    assert one is not None
    assert len(one["revisions"]) == REVISIONS_MAX


def test_what_was_tried_last_is_told_with_its_author(home: Home, facts: ProjectFacts) -> None:
    published.describe(home.state, "reports", a_revision(NEW, author="Bia", subject="Tidy"))
    removes = tuple(f"reports/{number}" for number in range(LISTED_MAX + 1))
    held = Attempt(
        fingerprint="x", revision=f"main@sha1:{NEW}", at="", outcome=Outcome.HELD, error="no", removes=removes
    )
    publish(home, attempted=held)
    one = facts.one("reports")
    assert one is not None
    assert (one["attempted"]["author"], one["attempted"]["outcome"], one["attempted"]["key"]) == ("Bia", "held", NEW)
    assert len(one["attempted"]["removes"]) == LISTED_MAX
    assert one["behind"] is None  # there is no mirror that could tell


def test_an_environment_is_told_by_what_is_installed_in_it(home: Home, facts: ProjectFacts) -> None:
    key = "e" * 40
    directory = home.state / "environments" / key
    packages = directory / "lib" / "python3.11" / "site-packages"
    for name in ("Flask-3.1.0.dist-info", "six-1.17.dist-info", "six.py"):
        (packages / name).mkdir(parents=True)
    (directory / "pyvenv.cfg").write_text("home = /usr\nversion_info = 3.11.9\n")
    sealed.seal(directory, {"kind": "requirements.txt"})
    publish(home, applied=a_revision(LIVE, environment=key))
    one = facts.one("reports")
    sealed.remove(directory)
    assert one is not None
    assert one["environment"]["built_at"]
    assert {name: one["environment"][name] for name in ("python", "asked_by", "count", "packages")} == {
        "python": "3.11.9",
        "asked_by": "requirements.txt",
        "count": 2,
        "packages": [["Flask", "3.1.0"], ["six", "1.17"]],
    }


def test_an_environment_that_is_gone_is_told_as_gone(home: Home, facts: ProjectFacts) -> None:
    publish(home, applied=a_revision(LIVE, environment="e" * 40))
    one = facts.one("reports")
    assert one is not None
    assert (one["environment"]["built_at"], one["environment"]["packages"]) == (None, [])


def test_a_damaged_state_is_told_and_does_not_raise(home: Home, facts: ProjectFacts) -> None:
    publish(home)
    published.path_of(home.state, "reports").write_text("{")
    one = facts.one("reports")
    assert one is not None
    assert "cannot be read" in one["trouble"]


def test_a_file_of_the_home_tells_when_it_was_written(home: Home, facts: ProjectFacts) -> None:
    os.utime(home.root / "windmill.toml", (1_767_268_800, 1_767_268_800))
    changed = facts.changed("windmill.toml")
    assert changed is not None
    assert changed.isoformat() == "2026-01-01T12:00:00+00:00"


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "../outside", "a/../../b", "nothing.yaml", "\0", "reports@abc:jobs.d/x"]
)
def test_nothing_is_told_of_files_elsewhere(facts: ProjectFacts, file: str) -> None:
    assert facts.changed(file) is None


def test_the_machine_tells_of_store_disk_journal_and_versions(home: Home) -> None:
    home.store().close()
    (home.state / "journal").mkdir()
    (home.state / "journal" / "x.seg").write_bytes(b"x" * 100)
    found = machine(home)
    assert (found["store"]["kind"], found["journal_bytes"]) == ("SQLite", 100)
    assert found["store"]["bytes"] > 0
    assert 0 < found["disk"]["free"] <= found["disk"]["total"]


def test_a_database_elsewhere_is_told_without_its_address(tmp_path: Path) -> None:
    (tmp_path / "windmill.toml").write_text('[store]\nuri = "mongodb://ana:HUSH@db/windmill"\n')
    found = machine(Home(tmp_path, {}))
    assert found["store"]["kind"] == "MongoDB"
    assert "HUSH" not in repr(found)


def test_settings_that_cannot_be_read_leave_the_store_unknown(tmp_path: Path) -> None:
    (tmp_path / "windmill.toml").write_text("[store\n")
    assert machine(Home(tmp_path, {}))["store"]["kind"] == ""
