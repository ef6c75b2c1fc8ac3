from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import make_home, windmill
from tests.support.wheels import wheel


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose project p asks for a package, which is had from a directory; plain asks for nothing."""
    wheel(tmp_path / "wheels", "greeting", "1.0")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    files = {"projects/p/requirements.txt": "greeting\n", "projects/plain/main.py": "", "jobs.d/.keep": ""}
    return make_home(tmp_path / "home", files)


def test_an_environment_is_built_and_shown_with_who_uses_it(site: Path) -> None:
    assert windmill(site, "env", "build", "p").status == 0
    (row,) = windmill(site, "env", "show", "--json").json
    assert (row["kind"], row["packages"], row["projects"]) == ("requirements.txt", 1, ["p"])


def test_what_is_used_is_not_pruned(site: Path) -> None:
    windmill(site, "env", "build", "p")
    assert windmill(site, "env", "prune", "--days", "0", "--json").json == []
    assert len(windmill(site, "env", "show", "--json").json) == 1


def test_what_nobody_names_any_more_is_pruned(site: Path) -> None:
    windmill(site, "env", "build", "p")
    (row,) = windmill(site, "env", "show", "--json").json
    (site / ".windmill" / "projects" / "p.json").unlink()
    assert windmill(site, "env", "prune", "--json").json == []  # it was used today
    assert windmill(site, "env", "prune", "--days", "0", "--json").json == [row["key"]]
    assert windmill(site, "env", "show", "--json").json == []


def test_a_project_without_packages_has_no_environment(site: Path) -> None:
    outcome = windmill(site, "env", "build", "plain")
    assert (outcome.status, "plain has no environment" in outcome.err) == (1, True)


def test_an_unknown_project_names_those_there_are(site: Path) -> None:
    outcome = windmill(site, "env", "show", "q")
    assert (outcome.status, "p, plain" in outcome.err) == (4, True)
