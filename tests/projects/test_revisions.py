from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.waiting import until
from windmill.projects.revisions import Revisions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    yield Revisions(tmp_path, "reports")
    for parent, _, _ in os.walk(tmp_path):
        Path(parent).chmod(0o700)


def publish(revisions: Revisions, key: str, text: str = "x", *, age: timedelta = timedelta(days=1)) -> Path:
    with revisions.temporary() as directory:
        (directory / "lib").mkdir()
        (directory / "lib" / "main.py").write_text(text)
        (directory / "run.sh").touch(0o755)
        (directory / "link").symlink_to("/etc/hostname")
        place = revisions.publish(directory, key)
    moment = (NOW - age).timestamp()
    os.utime(place, (moment, moment))
    return place


def there(revisions: Revisions) -> set[str]:
    return {entry.name for entry in revisions.path(A).parent.iterdir()}


def test_a_published_revision_lies_under_its_key(revisions: Revisions, tmp_path: Path) -> None:
    assert publish(revisions, A) == revisions.path(A) == tmp_path / "revisions" / "reports" / A
    assert (revisions.path(A) / "lib" / "main.py").read_text() == "x"


def test_nothing_temporary_is_left(revisions: Revisions) -> None:
    publish(revisions, A)
    assert there(revisions) == {A}


def test_what_is_not_published_goes_away(revisions: Revisions) -> None:
    with revisions.temporary() as directory:
        (directory / "main.py").touch()
    assert there(revisions) == set()


def test_a_revision_that_is_there_stays_as_it_is(revisions: Revisions) -> None:
    publish(revisions, A, "first")
    publish(revisions, A, "second")
    assert ((revisions.path(A) / "lib" / "main.py").read_text(), there(revisions)) == ("first", {A})


def test_a_revision_published_again_counts_as_young(revisions: Revisions) -> None:
    publish(revisions, A, age=timedelta(days=9))
    publish(revisions, A, age=timedelta(minutes=1))
    assert revisions.collect(set(), now=NOW, in_use=set()) == []


def test_nobody_may_write_in_a_revision(revisions: Revisions) -> None:
    place = publish(revisions, A)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [place, *place.rglob("*")] if not path.is_symlink()
    }
    assert not any(mode & 0o222 for mode in modes.values())
    assert modes["run.sh"] & 0o100


def test_what_a_link_leads_to_keeps_its_rights(revisions: Revisions, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o644)
    outside.chmod(0o644)
    with revisions.temporary() as directory:
        (directory / "link").symlink_to(outside)
        revisions.publish(directory, A)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_all_of_it_works_for_an_ordinary_user() -> None:
    code = (
        "import os, sys\n"
        "from datetime import datetime, timedelta, UTC\n"
        "from pathlib import Path\n"
        "from windmill.projects.revisions import Revisions\n"
        "os.setgid(65534)\n"
        "os.setuid(65534)\n"
        "revisions = Revisions(Path(sys.argv[1]), 'reports')\n"
        "with revisions.temporary() as directory:\n"
        "    (directory / 'lib').mkdir()\n"
        "    (directory / 'lib' / 'x').touch()\n"
        "    place = revisions.publish(directory, 'a' * 40)\n"
        "try:\n"
        "    (place / 'lib' / 'x').write_text('mine')\n"
        "except PermissionError:\n"
        "    print('protected')\n"
        "later = datetime(2100, 1, 1, tzinfo=UTC)\n"
        "print(len(revisions.collect(set(), now=later, in_use=set())), os.listdir(place.parent))\n"
    )
    with tempfile.TemporaryDirectory() as state:  # the directories of pytest are closed to others
        os.chown(state, 65534, 65534)
        done = subprocess.run([sys.executable, "-c", code, state], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["protected", "1 []"], done.stderr


@pytest.mark.parametrize("key", ["", "..", "a/b", "../x", "main", "A" * 40, ".tmp-x", "a" * 65, "a" * 40 + "\n"])
def test_only_hex_digits_make_a_key(revisions: Revisions, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        revisions.path(key)


def test_what_nobody_needs_is_collected(revisions: Revisions) -> None:
    for key in (A, B, C):
        publish(revisions, key)
    assert revisions.collect({A}, now=NOW, in_use={B}) == [C]
    assert there(revisions) == {A, B}


def test_what_was_published_within_the_hour_stays(revisions: Revisions) -> None:
    publish(revisions, A, age=timedelta(minutes=59))
    publish(revisions, B, age=timedelta(minutes=61))
    assert revisions.collect(set(), now=NOW, in_use=set()) == [B]


def test_the_document_of_a_revision_goes_with_it(revisions: Revisions) -> None:
    for key in (A, B):
        publish(revisions, key).with_name(key + ".json").write_text("{}")
    revisions.collect({A}, now=NOW, in_use=set())
    assert there(revisions) == {A, A + ".json"}


def test_files_of_others_stay(revisions: Revisions) -> None:
    directory = publish(revisions, A).parent
    (directory / "notes").mkdir()
    revisions.collect({A}, now=NOW, in_use=set())
    assert there(revisions) == {A, "notes"}


def test_a_project_without_revisions_has_nothing_to_collect(revisions: Revisions) -> None:
    assert revisions.collect(set(), now=NOW, in_use=set()) == []


def test_what_a_living_maker_fills_stays(revisions: Revisions) -> None:
    with revisions.temporary() as directory:
        revisions.collect(set(), now=NOW, in_use=set())
        assert directory.is_dir()


def test_what_a_killed_collection_left_is_removed(revisions: Revisions) -> None:
    place = publish(revisions, A)
    place.rename(place.with_name(".trash-" + A))
    publish(revisions, A)
    revisions.collect({A}, now=NOW, in_use=set())
    assert there(revisions) == {A}


def test_a_link_in_a_revision_is_removed_and_not_followed(revisions: Revisions, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(0o500)
    (outside / "x").touch()
    with revisions.temporary() as directory:
        (directory / "link").symlink_to(outside)
        revisions.publish(directory, A)
    revisions.collect(set(), now=NOW + timedelta(days=9999), in_use=set())
    assert (there(revisions), (outside / "x").exists(), stat.S_IMODE(outside.stat().st_mode)) == (set(), True, 0o500)


MAKER = """
import os, sys, time
from pathlib import Path
from windmill.projects.revisions import Revisions
revisions = Revisions(Path(sys.argv[1]), "reports")
with revisions.temporary() as directory:
    for number in range(300):
        (directory / f"{number}.py").write_text("x")
    if sys.argv[2] == "protected":
        os.chmod(directory, 0o500)
    if sys.argv[2] != "publish":
        print("made", flush=True)
        time.sleep(600)
    print("made", flush=True)
    revisions.publish(directory, "a" * 40)
    print("published", flush=True)
"""


@pytest.mark.parametrize("moment", ["filled", "protected"])
def test_what_a_killed_maker_left_is_removed(revisions: Revisions, tmp_path: Path, moment: str) -> None:
    with subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path), moment], stdout=subprocess.PIPE) as maker:
        assert maker.stdout
        maker.stdout.readline()
        maker.kill()
    assert any(name.startswith(".tmp-") for name in there(revisions))
    revisions.collect(set(), now=NOW, in_use=set())
    assert there(revisions) == set()


@pytest.mark.parametrize("delay", range(6))
def test_a_publication_killed_at_any_moment_is_whole_or_not_there(
    revisions: Revisions, tmp_path: Path, delay: int
) -> None:
    with subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path), "publish"], stdout=subprocess.PIPE) as maker:
        assert maker.stdout
        maker.stdout.readline()
        signal.sigtimedwait(set(), delay * 0.004)  # any moment will do: that is the point
        maker.kill()

    def collected() -> bool:
        revisions.collect({A}, now=NOW, in_use=set())
        return there(revisions) <= {A}

    until(collected, what="the killed maker's lock is gone, which a child it was just starting holds for a moment")
    publish(revisions, A)
    assert len(list(revisions.path(A).glob("*.py"))) in {0, 300}


COLLECTOR = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from windmill.projects.revisions import Revisions
print("ready", flush=True)
Revisions(Path(sys.argv[1]), "reports").collect(set(), now=datetime(2100, 1, 1, tzinfo=UTC), in_use=set())
"""


@pytest.mark.parametrize("delay", range(6))
def test_a_collection_killed_at_any_moment_is_finished_by_the_next(
    revisions: Revisions, tmp_path: Path, delay: int
) -> None:
    for key in (A, B):
        with revisions.temporary() as directory:
            for number in range(300):
                (directory / f"{number}.py").touch()
            revisions.publish(directory, key)
    with subprocess.Popen([sys.executable, "-c", COLLECTOR, str(tmp_path)], stdout=subprocess.PIPE) as collector:
        assert collector.stdout
        collector.stdout.readline()
        signal.sigtimedwait(set(), delay * 0.003)
        collector.kill()
    assert all(len(list(revisions.path(key).iterdir())) == 300 for key in there(revisions) & {A, B})
    revisions.collect(set(), now=NOW + timedelta(days=9999), in_use=set())
    assert there(revisions) == set()


def carrying(
    command: list[str], *, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.PIPE)


@pytest.mark.parametrize("trace", ["environment", "directory", "arguments"])
def test_a_revision_that_a_process_carries_is_in_use(revisions: Revisions, trace: str) -> None:
    place = publish(revisions, A)
    publish(revisions, B)
    environ = {
        "PATH": os.environ["PATH"],
        **({"WINDMILL_REVISION_ROOT": str(place)} if trace == "environment" else {}),
    }
    command = ["cat", "-", *([str(place / "lib" / "main.py")] if trace == "arguments" else [])]
    with carrying(command, env=environ, cwd=place / "lib" if trace == "directory" else None) as process:
        until(lambda: revisions.in_use() == {A}, what="the process is seen")
        assert process.stdin
        process.stdin.close()
    assert revisions.in_use() == set()


def test_a_state_directory_behind_a_link_is_seen_too(revisions: Revisions, tmp_path: Path) -> None:
    place = publish(revisions, A)
    (tmp_path / "link").symlink_to(tmp_path)
    linked = Revisions(tmp_path / "link", "reports")
    with carrying(["cat"], cwd=place) as process:
        until(lambda: linked.in_use() == {A}, what="the process is seen")
        assert process.stdin
        process.stdin.close()


def test_the_revision_of_another_project_is_not_ours(revisions: Revisions, tmp_path: Path) -> None:
    other = publish(Revisions(tmp_path, "reports2"), A)
    with carrying(["cat", "-", str(other)], cwd=other) as process:
        assert revisions.in_use() == set()
        assert process.stdin
        process.stdin.close()


def test_two_makers_fill_directories_of_their_own(revisions: Revisions) -> None:
    with revisions.temporary() as one, revisions.temporary() as two:
        assert one != two
        fd = os.open(one, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
