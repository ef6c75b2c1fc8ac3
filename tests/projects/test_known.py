from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from windmill.core.errors import NotFound, WindmillError
from windmill.projects import published
from windmill.projects.known import Kind, KnownProjects
from windmill.projects.published import Published, Revision
from windmill.projects.settings import ProjectSettings

PYTHON = "/usr/bin/python3"
COMMIT = "a" * 40
LIVE = Revision(
    name=f"main@sha1:{COMMIT}",
    key=COMMIT,
    root="/r/abc",
    python="/env/bin/python",
    author="Ann <a@x>",
    subject="Faster",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "projects").mkdir()
    return tmp_path


def known(home: Path, **settings: ProjectSettings) -> KnownProjects:
    return KnownProjects(home, home / ".windmill", lambda: settings, PYTHON)


def publish(home: Path, project: str, revision: Revision = LIVE) -> None:
    published.write(home / ".windmill", Published(project=project, applied=revision))


def test_every_kind_of_project_is_known(home: Path) -> None:
    (home / "projects" / "plain").mkdir()
    (home / "projects" / "packed.zip").touch()
    (home / "projects" / "single.py").touch()
    kinds = {name: project.kind for name, project in known(home, pulled=ProjectSettings(git="/r")).all().items()}
    assert kinds == {"packed": Kind.ARCHIVE, "plain": Kind.DIRECTORY, "pulled": Kind.GIT, "single": Kind.FILE}


def test_a_git_source_wins_over_a_directory_and_that_over_files(home: Path) -> None:
    for name in ("a", "b"):
        (home / "projects" / name).mkdir()
        (home / "projects" / f"{name}.zip").touch()
    found = known(home, a=ProjectSettings(git="/r")).all()
    assert (found["a"].kind, found["b"].kind) == (Kind.GIT, Kind.DIRECTORY)


def test_settings_without_git_belong_to_what_lies_under_projects(home: Path) -> None:
    (home / "projects" / "plain").mkdir()
    assert known(home, plain=ProjectSettings(python="3.12")).all()["plain"].settings.python == "3.12"


def test_an_unknown_project_names_those_there_are(home: Path) -> None:
    (home / "projects" / "reports").mkdir()
    with pytest.raises(NotFound) as caught:
        known(home).locate("repotrs")
    assert "reports" in caught.value.hint


def test_a_project_that_was_never_published_has_no_place(home: Path) -> None:
    with pytest.raises(NotFound, match="nothing of the project reports was published yet"):
        known(home, reports=ProjectSettings(git="/r")).locate("reports")


def test_executions_start_in_the_live_revision_with_its_environment(home: Path) -> None:
    publish(home, "reports")
    place = known(home, reports=ProjectSettings(git="/r")).locate("reports")
    assert (place.root, place.revision, place.python) == ("/r/abc", f"main@sha1:{COMMIT}", "/env/bin/python")
    assert (place.author, place.subject) == ("Ann <a@x>", "Faster")


def test_a_newly_published_revision_is_seen_at_once(home: Path) -> None:
    projects = known(home, reports=ProjectSettings(git="/r"))
    publish(home, "reports")
    projects.locate("reports")
    publish(home, "reports", replace(LIVE, key="d" * 40, root="/r/def"))
    assert projects.locate("reports").root == "/r/def"


def test_bytecode_of_a_revision_is_kept_outside_of_it(home: Path) -> None:
    publish(home, "reports")
    place = known(home, reports=ProjectSettings(git="/r")).locate("reports")
    assert place.env["PYTHONPYCACHEPREFIX"] == str(home / ".windmill" / "pycache" / "reports" / COMMIT)


def test_a_single_file_is_used_where_it_lies(home: Path) -> None:
    (home / "projects" / "single.py").write_text("print(1)\n")
    assert known(home).locate("single").root == str(home / "projects")


def test_the_revision_of_a_single_file_is_its_content(home: Path) -> None:
    script = home / "projects" / "single.py"
    script.write_text("print(1)\n")
    projects = known(home)
    before = projects.locate("single").revision
    script.write_text("print(22)\n")
    after = projects.locate("single").revision
    assert before is not None
    assert before.startswith("sha256:")
    assert before != after


def test_a_plain_directory_is_used_in_place(home: Path) -> None:
    (home / "projects" / "plain").mkdir()
    assert not known(home).all()["plain"].syncs


@pytest.mark.parametrize("file", ["requirements.txt", "requirements.lock"])
def test_a_directory_with_requirements_is_synced(home: Path, file: str) -> None:
    (home / "projects" / "plain").mkdir()
    (home / "projects" / "plain" / file).write_text("requests==2.32.0\n")
    assert known(home).all()["plain"].syncs


def test_a_directory_with_an_environment_of_its_own_is_not_synced(home: Path) -> None:
    (home / "projects" / "plain" / ".venv").mkdir(parents=True)
    (home / "projects" / "plain" / "requirements.txt").write_text("requests==2.32.0\n")
    assert not known(home).all()["plain"].syncs


def test_until_its_environment_is_built_a_directory_runs_with_the_default_python(home: Path) -> None:
    (home / "projects" / "plain").mkdir()
    (home / "projects" / "plain" / "requirements.txt").write_text("requests==2.32.0\n")
    assert known(home).locate("plain").python == PYTHON


def test_what_was_published_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    state = Published(
        project="reports", applied=LIVE, good={"a.yaml": COMMIT}, revisions={COMMIT: LIVE}, recent=(COMMIT,)
    )
    published.write(tmp_path, state)
    assert published.read(tmp_path, "reports") == state


@pytest.mark.parametrize("content", ['{"applied": 1', '{"applied": {"wings": 4}}', "[]"])
def test_a_published_state_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path, content: str) -> None:
    published.path_of(tmp_path, "reports").parent.mkdir(parents=True)
    published.path_of(tmp_path, "reports").write_text(content)
    with pytest.raises(WindmillError, match="cannot be read"):
        published.read(tmp_path, "reports")


def test_what_is_too_large_to_be_read_back_is_not_written(tmp_path: Path) -> None:
    state = Published(project="reports", applied=LIVE)
    published.write(tmp_path, state)
    with pytest.raises(WindmillError, match="too large"):
        published.write(tmp_path, replace(state, trouble="x" * (9 << 20)))
    assert published.read(tmp_path, "reports") == state


def test_what_is_live_stays_while_its_state_cannot_be_read(home: Path) -> None:
    projects = known(home, reports=ProjectSettings(git="/r"))
    publish(home, "reports")
    projects.locate("reports")
    published.path_of(home / ".windmill", "reports").write_text("{")
    assert projects.locate("reports").revision == LIVE.name
    assert "cannot be read" in projects.live(projects.all()["reports"]).trouble


def test_what_another_kind_of_source_published_is_not_live(home: Path) -> None:
    published.write(home / ".windmill", Published(project="reports", kind="git", applied=LIVE))
    (home / "projects" / "reports").mkdir()
    (home / "projects" / "reports" / "requirements.txt").touch()
    assert known(home).locate("reports").root == str(home / "projects" / "reports")


# Revisions of the past


def lie(home: Path, *, python: str = sys.executable) -> Path:
    """Put the tree of COMMIT on disk with its description, as a sync does, and return it."""
    root = home / ".windmill" / "revisions" / "reports" / COMMIT
    root.mkdir(parents=True)
    published.describe(home / ".windmill", "reports", replace(LIVE, root=str(root), python=python))
    return root


def test_an_older_revision_is_found_with_its_environment_and_under_the_name_it_had(home: Path) -> None:
    root = lie(home)
    place = known(home, reports=ProjectSettings(git="/r")).locate_at("reports", f"v1@sha1:{COMMIT}")
    assert (place.root, place.python, place.author) == (str(root), sys.executable, "Ann <a@x>")
    assert place.revision == f"v1@sha1:{COMMIT}"


def test_a_revision_without_its_tree_or_its_environment_is_not_on_disk(home: Path) -> None:
    root = lie(home, python=str(home / "gone" / "python"))
    projects = known(home, reports=ProjectSettings(git="/r"))
    with pytest.raises(NotFound, match="is not on disk"):
        projects.locate_at("reports", LIVE.name)
    published.describe(home / ".windmill", "reports", replace(LIVE, root=str(root), python=sys.executable))
    root.rmdir()
    with pytest.raises(NotFound, match="is not on disk"):
        projects.locate_at("reports", LIVE.name)


@pytest.mark.parametrize("name", ["main@sha1:../../projects/reports", "sha256:", "", f"main@sha1:{COMMIT}/.."])
def test_a_name_that_leads_elsewhere_names_no_revision(home: Path, name: str) -> None:
    with pytest.raises(NotFound, match="names no revision"):
        known(home, reports=ProjectSettings(git="/r")).locate_at("reports", name)


def test_a_revision_that_was_asked_for_is_young_again(home: Path) -> None:
    root = lie(home)
    os.utime(root, (0, 0))
    known(home, reports=ProjectSettings(git="/r")).keep("reports", LIVE.name)
    assert root.stat().st_mtime > 0


def test_a_single_file_is_that_of_then_as_long_as_its_content_is(home: Path) -> None:
    script = home / "projects" / "single.py"
    script.write_text("print(1)\n")
    projects = known(home)
    then = projects.locate("single").revision
    assert projects.locate_at("single", then) == projects.locate("single")
    script.write_text("print(22)\n")
    with pytest.raises(NotFound, match="what it was then is not kept"):
        projects.locate_at("single", then)


def test_a_plain_directory_is_what_it_is_now(home: Path) -> None:
    (home / "projects" / "plain").mkdir()
    assert known(home).locate_at("plain", None) == known(home).locate("plain")


def test_what_ran_in_place_is_not_found_among_the_revisions_of_now(home: Path) -> None:
    publish(home, "reports")
    with pytest.raises(NotFound, match="names no revision of reports"):
        known(home, reports=ProjectSettings(git="/r")).locate_at("reports", None)
