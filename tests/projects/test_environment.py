from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.support.wheels import digest, wheel
from windmill.core.errors import NotFound, Refused
from windmill.projects.environment import Environments
from windmill.projects.installer import find_uv
from windmill.projects.requirements import find


class Site:
    """A project and a directory of wheels, which is all there is to install from."""

    def __init__(self, root: Path) -> None:
        self.state, self.project, self.wheels = root / "state", root / "project", root / "wheels"
        self.project.mkdir()
        wheel(self.wheels, "greeting", "1.0")
        wheel(self.wheels, "greeting", "2.0", needs=("words",))
        wheel(self.wheels, "words", "1.0")
        self.environ = {"PATH": os.environ["PATH"], "UV_FIND_LINKS": str(self.wheels), "UV_OFFLINE": "1"}
        self.lines: list[str] = []
        self.all = Environments(self.state, uv=find_uv(), python_default=sys.executable, environ=self.environ)

    def build(self, text: str, file: str = "requirements.txt") -> str:
        (self.project / file).write_text(text)
        requirements = find(self.project)
        assert requirements is not None
        return self.all.build(
            requirements, self.project, python=None, say=self.lines.append, timeout=60, environ=self.environ
        )

    def says(self, key: str, code: str) -> str:
        python = self.all.python(key)
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def entries(self) -> set[str]:
        return {path.name for path in (self.state / "environments").iterdir() if not path.name.startswith(".lock")}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


VERSION = "import greeting; print(greeting.VERSION)"


def test_what_is_asked_for_is_installed_with_what_it_needs(site: Site) -> None:
    key = site.build("greeting==2.0\n")
    assert site.says(key, "import greeting, words; print(greeting.VERSION, words.VERSION)") == "2.0 1.0"


def test_the_same_requirements_are_built_once(site: Site) -> None:
    key = site.build("greeting==1.0\n")
    before = (site.state / "environments" / key).stat().st_ino
    shutil.rmtree(site.wheels)
    assert site.build("greeting==1.0\n") == key
    assert (site.state / "environments" / key).stat().st_ino == before


def test_other_requirements_are_another_environment(site: Site) -> None:
    first, second = site.build("greeting==1.0\n"), site.build("greeting==2.0\n")
    assert (site.says(first, VERSION), site.says(second, VERSION)) == ("1.0", "2.0")


def test_what_failed_says_why_and_leaves_nothing(site: Site) -> None:
    good = site.build("greeting==1.0\n")
    with pytest.raises(Refused, match="could not be built") as caught:
        site.build("greeting==3.0\n")
    assert "greeting==3.0" in caught.value.message
    assert site.entries() == {good}


def test_a_hash_that_does_not_fit_is_refused(site: Site) -> None:
    honest = digest(site.wheels / "greeting-1.0-py3-none-any.whl")
    wheel(site.wheels, "greeting", "1.0", "raise SystemExit('other code')\n")
    with pytest.raises(Refused, match="could not be built"):
        site.build(f"greeting==1.0 --hash={honest}\n")


def test_an_environment_that_somebody_wrote_into_is_built_again(site: Site) -> None:
    key = site.build("greeting==1.0\n")
    module = next((site.state / "environments" / key).rglob("greeting.py"))
    module.chmod(0o600)
    module.write_text("VERSION = 'other'\n")
    assert not site.all.ready(key)
    assert site.says(site.build("greeting==1.0\n"), VERSION) == "1.0"


def test_an_environment_that_is_not_there_has_no_python(site: Site) -> None:
    with pytest.raises(NotFound, match="is not there"):
        site.all.python("0" * 40)


def test_nothing_in_an_environment_can_be_written(site: Site) -> None:
    directory = site.state / "environments" / site.build("greeting==1.0\n")
    writable = [path for path in directory.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o222]
    assert writable == []


def test_what_a_killed_builder_left_is_no_obstacle(site: Site) -> None:
    key = site.build("greeting==1.0\n")
    (site.state / "environments" / key).rename(site.state / "environments" / f".new-{key}")
    (site.state / "environments" / f".files-{key}").mkdir()
    assert site.build("greeting==1.0\n") == key
    assert site.entries() == {key}


def test_what_a_killed_builder_left_is_pruned(site: Site) -> None:
    site.build("greeting==1.0\n")
    (site.state / "environments" / f".new-{'0' * 40}").mkdir()
    site.all.prune({site.build("greeting==1.0\n")}, older_than=0)
    assert len(site.entries()) == 1


def test_prune_keeps_what_is_wanted_and_what_was_used_lately(site: Site) -> None:
    first, second = site.build("greeting==1.0\n"), site.build("greeting==2.0\n")
    assert site.all.prune(set(), older_than=3600) == []
    assert site.all.prune({first}, older_than=0) == [second]
    assert site.entries() == {first}


def test_an_environment_that_something_runs_from_is_in_use(site: Site) -> None:
    key = site.build("greeting==1.0\n")
    assert site.all.in_use() == set()
    with subprocess.Popen([site.all.python(key), "-c", "import time; time.sleep(60)"]) as child:
        until(lambda: site.all.in_use() == {key})
        child.send_signal(signal.SIGKILL)


def test_everything_is_described(site: Site) -> None:
    key = site.build("greeting==2.0\n")
    (one,) = site.all.all()
    assert (one.key, one.kind, one.packages) == (key, "requirements.txt", 2)
    assert one.python.startswith(f"{sys.version_info[0]}.{sys.version_info[1]}")
