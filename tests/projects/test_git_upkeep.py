"""A mirror gets one pack of every fetch; from time to time they become one, and nothing is lost by it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.git_server import ENVIRON, Upstream, kill_those_of
from windmill.projects.git import Mirror
from windmill.projects.git_upkeep import MANY
from windmill.projects.source import Remote

SCRIPT = """
import os, sys
from pathlib import Path
from windmill.projects.git import Mirror
Mirror(Path(sys.argv[1]), environ=os.environ, say=print).tidy()
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    upstream = Upstream(tmp_path / "upstream")
    upstream.commit({"main.py": "print(1)"})
    return upstream


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def mirror(tmp_path: Path, upstream: Upstream, said: list[str]) -> Mirror:
    """A mirror with one pack."""
    mirror = Mirror(tmp_path / "m.git", environ=ENVIRON, say=said.append)
    fetch(mirror, upstream)
    return mirror


def fetch(mirror: Mirror, upstream: Upstream) -> str:
    return mirror.fetch(Remote(url=upstream.url), timeout=30)


def fill(mirror: Mirror, upstream: Upstream, packs: int) -> None:
    """Give the mirror so many more packs, each of one object that no ref reaches."""
    for number in range(packs):
        blob = upstream.blob(f"{number} {time.monotonic_ns()}")
        upstream.git("pack-objects", "-q", f"{mirror.path}/objects/pack/pack", stdin=blob + "\n")


def packs(mirror: Mirror) -> int:
    return len(list(mirror.path.glob("objects/pack/*.pack")))


def objects(mirror: Mirror) -> set[str]:
    command = ["git", f"--git-dir={mirror.path}", "cat-file", "--batch-all-objects", "--batch-check"]
    return set(subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=True).stdout.splitlines())


def test_many_packs_become_one(mirror: Mirror, upstream: Upstream) -> None:
    fill(mirror, upstream, MANY)
    mirror.tidy()
    assert packs(mirror) == 1


def test_a_few_packs_stay(mirror: Mirror, upstream: Upstream) -> None:
    fill(mirror, upstream, MANY - 1)
    mirror.tidy()
    assert packs(mirror) == MANY


def test_nothing_is_lost_that_no_ref_reaches(mirror: Mirror, upstream: Upstream) -> None:
    fill(mirror, upstream, MANY)
    before = objects(mirror)
    mirror.tidy()
    assert objects(mirror) == before


def test_what_a_forced_push_left_behind_can_be_exported_afterwards(
    mirror: Mirror, upstream: Upstream, tmp_path: Path
) -> None:
    old = upstream.commit({"main.py": "print(2)"})
    fetch(mirror, upstream)
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    fetch(mirror, upstream)
    fill(mirror, upstream, MANY)
    mirror.tidy()
    (tmp_path / "old").mkdir()
    mirror.export(old, tmp_path / "old")
    assert (packs(mirror), (tmp_path / "old" / "main.py").read_text()) == (1, "print(2)")


def test_where_there_is_no_mirror_nothing_happens(tmp_path: Path) -> None:
    Mirror(tmp_path / "none.git", environ=ENVIRON, say=lambda _: None).tidy()
    assert not (tmp_path / "none.git").exists()


def test_a_mirror_that_cannot_be_repacked_is_said_and_stays(
    mirror: Mirror, upstream: Upstream, said: list[str]
) -> None:
    fill(mirror, upstream, MANY)
    spoilt = next(mirror.path.glob("objects/pack/*.pack"))
    spoilt.chmod(0o600)
    spoilt.write_bytes(b"garbage")
    before = packs(mirror)
    mirror.tidy()
    assert packs(mirror) == before
    assert said[-1].startswith("the git mirror stays in many packs: ")


def test_what_a_killed_repacking_left_is_taken_away(mirror: Mirror, upstream: Upstream) -> None:
    directory = mirror.path / "objects" / "pack"
    left = [directory / name for name in (".tmp-7-pack-ab.pack", ".tmp-7-pack-ab.idx", "tmp_pack_x", "pack-ab.keep")]
    for path in left:
        path.touch()
    fetch(mirror, upstream)
    assert not [path for path in left if path.exists()]


def test_a_repacking_killed_at_any_moment_is_made_good(mirror: Mirror, upstream: Upstream) -> None:
    fill(mirror, upstream, MANY)
    before = objects(mirror)
    for pause in (0.15, 0.2, 0.23, 0.26, 0.3):
        words = [sys.executable, "-c", SCRIPT, str(mirror.path)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=ENVIRON) as child:
            time.sleep(pause)  # any moment will do: that is the point
            child.kill()
            kill_those_of(mirror.path)
    fetch(mirror, upstream)
    mirror.tidy()
    assert objects(mirror) == before
