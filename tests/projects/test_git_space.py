"""A mirror survives a place that cannot be written: what is only there cannot be fetched again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.git_server import ENVIRON, Upstream
from windmill.core.errors import Refused, WindmillError
from windmill.projects.git import Mirror
from windmill.projects.source import Remote, SourceError

SCRIPT = """
import os, sys
from pathlib import Path
from windmill.core.errors import WindmillError
from windmill.projects.git import Mirror
mirror = Mirror(Path(sys.argv[1]), environ=os.environ, say=lambda _: None)
try:
    mirror.export(sys.argv[2], Path(sys.argv[3]))
except WindmillError as error:
    print(error)
"""


class Pushed(NamedTuple):
    """A mirror whose remote was rewritten: `old` is in the mirror only, `new` is what the remote holds."""

    mirror: Mirror
    old: str
    new: str
    said: list[str]

    def trouble(self, target: Path) -> WindmillError:
        with pytest.raises(WindmillError) as caught:
            self.mirror.export(self.new, target)
        return caught.value


@pytest.fixture
def pushed(tmp_path: Path) -> Pushed:
    said: list[str] = []
    upstream, mirror = Upstream(tmp_path / "upstream"), Mirror(tmp_path / "m.git", environ=ENVIRON, say=said.append)
    upstream.commit({"main.py": "print(1)"})
    old = upstream.commit({"main.py": "print(2)"})
    mirror.fetch(Remote(url=upstream.url), timeout=30)
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    big = {"a.txt": os.urandom(400_000).hex(), "jobs.d/c.yaml": os.urandom(400_000).hex()}
    upstream.commit(big)
    return Pushed(mirror, old, mirror.fetch(Remote(url=upstream.url), timeout=30), said)


@pytest.fixture(params=["size=200k", "ro"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An empty directory that takes little, or nothing."""
    if os.geteuid():
        pytest.skip("mounting needs root")
    target = tmp_path / "target"
    target.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", target], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield target
    subprocess.run(["umount", "-l", target], check=True)


def test_a_target_that_takes_no_more_does_not_cost_the_mirror(pushed: Pushed, target: Path) -> None:
    pushed.trouble(target)
    assert pushed.mirror.facts(pushed.old).sha == pushed.old


def test_a_target_that_takes_no_more_is_named(pushed: Pushed, target: Path) -> None:
    told = str(pushed.trouble(target))
    assert str(target) in told
    assert "unable to" in told or "cannot create" in told


def test_a_target_that_takes_no_more_is_no_damage_of_the_mirror(pushed: Pushed, target: Path) -> None:
    pushed.trouble(target)
    assert not [line for line in pushed.said if "damaged" in line]


def test_a_target_that_takes_no_more_is_no_fault_of_the_commit(pushed: Pushed, target: Path) -> None:
    assert not isinstance(pushed.trouble(target), Refused)


def test_a_limit_of_bytes_a_file_speaks_of_the_target_for_every_user(pushed: Pushed, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    words = [sys.executable, "-c", SCRIPT, str(pushed.mirror.path), pushed.new, str(tmp_path / "target")]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 500; exec "$@"', "sh", *words], capture_output=True, text=True, check=True
    )
    assert f"cannot write to {tmp_path}/target: error: unable to write file" in done.stdout
    assert pushed.mirror.facts(pushed.old).sha == pushed.old


def test_a_target_that_is_gone_is_said_in_words(pushed: Pushed, tmp_path: Path) -> None:
    assert str(tmp_path / "none") in str(pushed.trouble(tmp_path / "none"))


def test_a_mirror_on_a_full_disk_is_said_in_words_and_stays(pushed: Pushed, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    words = [sys.executable, "-c", SCRIPT, str(pushed.mirror.path), pushed.new, str(tmp_path / "target")]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words], capture_output=True, text=True, check=True
    )
    assert "damaged" not in done.stdout
    assert pushed.mirror.facts(pushed.old).sha == pushed.old


def test_a_mirror_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mirror = Mirror(tmp_path / "file" / "m.git", environ=ENVIRON, say=lambda _: None)
    with pytest.raises(SourceError, match="Not a directory") as caught:
        mirror.fetch(Remote(url=str(tmp_path)), timeout=30)
    assert caught.value.kind == "network"
