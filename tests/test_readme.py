from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT, commands, first_cells, page, section, text_files
from windmill import settings
from windmill.cli.root import VERBS

VISIBLE = {
    "windmill",
    "jobs.d",
    "projects",
    "examples",
    "tests",
    "windmill.toml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
}


def test_nothing_stands_at_the_top_but_what_has_to() -> None:
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} == VISIBLE


def test_ci_runs_the_tests_with_exactly_the_line_of_the_readme() -> None:
    (line,) = (line for line in commands(page("README.md")) if "pytest" in line)
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == line


@pytest.mark.parametrize("script", ["setup", "check", "run"])
def test_the_scripts_of_ci_can_be_run(script: str) -> None:
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_every_link_of_the_readme_and_the_manual_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *(ROOT / "windmill" / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())]
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_command_table_names_every_verb_and_no_other() -> None:
    table = section(page("README.md"), "Command reference")
    assert [cell.split()[1] for cell in first_cells(table)] == list(VERBS)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    hosts = ("pypi" + ".org", "python" + "hosted.org", "npmjs" + ".", "crates" + ".io")
    assert [path for path, text in text_files() if any(host in text for host in hosts)] == []


def test_no_file_names_a_directory_of_somebodys_machine() -> None:
    private = re.compile(r"/(?:Users/\w+|root/\.|work/(?:main|shared))\b|/tmp/" + r"venv")
    here = str(Path(__file__).relative_to(ROOT))
    assert [path for path, text in text_files() if path != here and private.search(text)] == []


@pytest.mark.parametrize("home", [ROOT, ROOT / "examples"], ids=["repository", "examples"])
def test_the_jobs_of_both_homes_are_clean(home: Path, tmp_path: Path) -> None:
    for name in ("jobs.d", "projects"):
        shutil.copytree(home / name, tmp_path / name)
    shutil.copy(home / "windmill.toml", tmp_path)
    command = [sys.executable, "-m", "windmill", "--home", str(tmp_path), "validate"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


SETTING = re.compile(r"^\| `([\w.]+)`.*\| `(.+?)` \|$", re.MULTILINE)


def test_every_setting_of_the_table_is_accepted_as_its_example_shows(tmp_path: Path) -> None:
    rows = SETTING.findall(section(page("README.md"), "windmill.toml reference"))
    (tmp_path / "windmill.toml").write_text("\n".join(f"{key} = {example}" for key, example in rows))
    found = settings.load(tmp_path, {})
    assert (found.timezone, found.max_running, found.groups) == ("Europe/Lisbon", 4, {"NAME": 1})


def test_every_job_of_the_repository_names_an_entry_point_that_exists() -> None:
    for home in (ROOT, ROOT / "examples"):
        for file in sorted((home / "jobs.d").glob("*.yaml")):
            project, entry = (
                re.findall(rf"^{key}: (.+)$", file.read_text(), re.MULTILINE)[0] for key in ("project", "entry_point")
            )
            assert (home / "projects" / project / entry).is_file(), file
