from __future__ import annotations

from pathlib import Path

import pytest

from windmill.core.errors import WindmillError
from windmill.projects.layout import ProjectFolders, inside

PYTHON = "/usr/bin/python3"


@pytest.fixture
def folders(tmp_path: Path) -> ProjectFolders:
    (tmp_path / "projects" / "reports").mkdir(parents=True)
    (tmp_path / "projects" / "single.py").touch()
    return ProjectFolders(tmp_path, PYTHON)


def test_directories_and_single_files_are_projects(folders: ProjectFolders) -> None:
    assert (list(folders.directories()), list(folders.scripts())) == (["reports"], ["single"])


@pytest.mark.parametrize("name", [".hidden/", "__pycache__/", ".hidden.py", "__init__.py", "notes.txt", "a b.py"])
def test_other_names_are_none(folders: ProjectFolders, tmp_path: Path, name: str) -> None:
    path = tmp_path / "projects" / name
    path.mkdir() if name.endswith("/") else path.touch()
    assert (list(folders.directories()), list(folders.scripts())) == (["reports"], ["single"])


def test_a_home_without_projects_has_none(tmp_path: Path) -> None:
    assert ProjectFolders(tmp_path).directories() == {}


def test_the_path_of_a_single_file_project_is_the_file(folders: ProjectFolders, tmp_path: Path) -> None:
    assert folders.scripts()["single"] == tmp_path / "projects" / "single.py"


def test_a_directory_is_its_own_root(folders: ProjectFolders, tmp_path: Path) -> None:
    location = folders.in_place(tmp_path / "projects" / "reports")
    assert (location.root, location.revision, location.python) == (str(tmp_path / "projects/reports"), None, PYTHON)


def test_an_environment_of_the_project_is_used(folders: ProjectFolders, tmp_path: Path) -> None:
    own = tmp_path / "projects" / "reports" / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.symlink_to("/bin/sh")
    assert folders.in_place(tmp_path / "projects" / "reports").python == str(own)


def test_a_linked_directory_is_a_project(folders: ProjectFolders, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "projects" / "linked").symlink_to(tmp_path / "elsewhere")
    assert folders.directories()["linked"] == tmp_path / "projects" / "linked"


def test_a_single_file_that_links_out_is_refused(folders: ProjectFolders, tmp_path: Path) -> None:
    (tmp_path / "evil.py").touch()
    (tmp_path / "projects" / "out.py").symlink_to(tmp_path / "evil.py")
    assert "out" not in folders.scripts()


def test_a_path_inside_need_not_exist(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/b.py") == tmp_path / "a" / "b.py"


def test_a_link_that_stays_inside_is_fine(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    assert inside(tmp_path, "link/x") == tmp_path / "link" / "x"


@pytest.mark.parametrize(
    "relative", ["", "/etc/passwd", "../x", "a/../../x", "~/x", "a\0b", "a\\b", "out/x", "round"]
)
def test_a_path_that_leaves_is_refused(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to("/etc")
    (root / "round").symlink_to("round")
    with pytest.raises(WindmillError, match="the path"):
        inside(root, relative)


def test_a_directory_of_a_similar_name_is_outside(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "root2")
    with pytest.raises(WindmillError, match="leads out"):
        inside(tmp_path / "root", "link/x")
