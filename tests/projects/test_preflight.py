from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from windmill.core.errors import Problem
from windmill.projects.preflight import Entry, check


class Tree:
    """A project's files; everything that is told while they are examined."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[str] = []

    def write(self, **files: str) -> None:
        """Write NAME.py for each; etl_NAME lies in the package etl."""
        for name, text in files.items():
            path = self.root / f"{name.replace('etl_', 'etl/', 1)}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def check(self, *entry_points: str, python: str = sys.executable, imports: bool = True) -> list[Problem]:
        entries = [
            Entry(job=f"p/{number}", entry_point=entry, file=f"jobs.d/{number}.yaml", line=3, imports=imports)
            for number, entry in enumerate(entry_points)
        ]
        return check(self.root, entries, python=python, say=self.told.append)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_code_that_compiles_and_finds_its_modules_is_no_problem(tree: Tree) -> None:
    tree.write(main="import json, helper\nfrom helper import x\n", helper="x = 1\n")
    assert tree.check("main.py") == []


def test_a_missing_entry_point_is_shown_in_the_job_file(tree: Tree) -> None:
    (problem,) = tree.check("gone.py")
    assert (problem.file, problem.line, "does not exist" in problem.message) == ("jobs.d/0.yaml", 3, True)


@pytest.mark.parametrize("entry_point", ["../out.py", "/etc/passwd", "link.py"])
def test_an_entry_point_that_leads_out_is_refused(tree: Tree, tmp_path: Path, entry_point: str) -> None:
    (tree.root / "link.py").symlink_to("/etc/passwd")
    assert len(tree.check(entry_point)) == 1


def test_code_that_does_not_compile_is_shown_with_its_place(tree: Tree) -> None:
    tree.write(main="x = 1\nprint(\n")
    (problem,) = tree.check("main.py")
    assert (problem.file, problem.line) == ("main.py", 2)


def test_a_module_that_is_not_found_is_named(tree: Tree) -> None:
    tree.write(main="import json\nimport no_such_module\n")
    (problem,) = tree.check("main.py")
    assert (problem.line, "no_such_module" in problem.message) == (2, True)


def test_a_mistake_in_a_module_that_is_imported_counts_once(tree: Tree) -> None:
    tree.write(a="import helper\n", b="import helper\n", helper="import no_such_module\n")
    assert [problem.file for problem in tree.check("a.py", "b.py")] == ["helper.py"]


def test_modules_within_packages_are_followed(tree: Tree) -> None:
    tree.write(main="from etl.load import run\n", etl___init__="", etl_load="import no_such_module\n")
    assert [problem.file for problem in tree.check("main.py")] == ["etl/load.py"]


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import no_such_module\nexcept ImportError:\n    pass\n",
        "def later():\n    import no_such_module\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no_such_module\n",
        "import sys\nsys.path.insert(0, 'lib')\nimport no_such_module\n",
        "from . import sibling\n",
        "import site\nsite.addsitedir('lib')\nimport no_such_module\n",
        "from sys import path\npath.append('lib')\nimport no_such_module\n",
        "import starter\nstarter.start()\nimport no_such_module\n",
        "raise SystemExit\nimport no_such_module\n",
        "import changes_path\nimport no_such_module\n",
    ],
    ids=["try", "function", "types", "path", "relative", "site", "from sys", "call", "ends", "by another"],
)
def test_what_need_not_fail_is_no_problem(tree: Tree, code: str) -> None:
    tree.write(main=code, starter="def start(): pass\n", changes_path="import sys\nsys.path.append('lib')\n")
    assert tree.check("main.py") == []


def test_imports_are_left_alone_where_the_job_says_where_modules_are(tree: Tree) -> None:
    tree.write(main="import no_such_module\n")
    assert tree.check("main.py", imports=False) == []


def test_a_module_is_found_from_the_root(tree: Tree) -> None:
    tree.write(etl___init__="", etl___main__="import etl\n", job="")
    assert tree.check("-m etl", "-m job") == []


@pytest.mark.parametrize("module", ["-m nowhere", "-m etl.gone"])
def test_a_module_that_is_not_there_is_a_problem(tree: Tree, module: str) -> None:
    tree.write(etl___init__="")
    assert len(tree.check(module)) == 1


def test_a_module_of_the_library_is_no_problem(tree: Tree) -> None:
    assert tree.check("-m http.server") == []


def test_a_script_of_another_kind_must_be_executable(tree: Tree) -> None:
    script = tree.root / "job.sh"
    script.write_text("#!/bin/sh\n")
    assert "not executable" in tree.check("job.sh")[0].message
    script.chmod(0o755)
    assert tree.check("job.sh") == []


def test_nothing_of_the_project_runs(tree: Tree) -> None:
    witness = tree.root / "ran"
    touch = f"open({str(witness)!r}, 'w')\n"
    tree.write(
        main="import helper, etl.load, no_such_module\n" + touch,
        helper=touch,
        etl___init__=touch,
        etl_load=touch,
        sitecustomize=touch,
        usercustomize=touch,
        json=touch,
        ast=touch,
    )
    tree.check("main.py", "-m etl.load")
    assert not witness.exists()


def test_an_environment_of_the_project_answers_for_its_modules(tree: Tree, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "only_there.py").touch()
    tree.write(main="import only_there\n")
    assert tree.check("main.py", python=str(environment / "bin" / "python")) == []
    assert len(tree.check("main.py")) == 1


def test_code_in_the_environment_does_not_run_and_makes_imports_uncertain(tree: Tree, tmp_path: Path) -> None:
    environment, witness = tmp_path / "env", tmp_path / "ran"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "finder.pth").write_text(f"import os; open({str(witness)!r}, 'w')\n")
    tree.write(main="import no_such_module\n")
    assert tree.check("main.py", python=str(environment / "bin" / "python")) == []
    assert not witness.exists()


def test_a_directory_that_the_environment_links_to_is_searched(tree: Tree, tmp_path: Path) -> None:
    environment, elsewhere = tmp_path / "env", tmp_path / "elsewhere"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    elsewhere.mkdir()
    (elsewhere / "linked.py").touch()
    (site / "link.pth").write_text(f"{elsewhere}\n")
    tree.write(main="import linked\nimport no_such_module\n")
    (problem,) = tree.check("main.py", python=str(environment / "bin" / "python"))
    assert "no_such_module" in problem.message


def test_where_nothing_can_be_examined_that_is_told(tree: Tree) -> None:
    tree.write(main="")
    assert tree.check("main.py", python="/nowhere/python") == []
    assert "not examined" in tree.told[0]


@pytest.mark.parametrize("content", [b"\0", b"x = " + b"(" * 5000, b"# coding: nowhere\n", os.urandom(2000)])
def test_odd_files_never_end_the_examination(tree: Tree, content: bytes) -> None:
    (tree.root / "odd.py").write_bytes(content)
    tree.write(main="import no_such_module\n")
    assert "no_such_module" in str(tree.check("odd.py", "main.py")[-1])
