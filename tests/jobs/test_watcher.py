from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.waiting import until
from windmill.core.model import Catalog, Job
from windmill.jobs.loader import Loader
from windmill.jobs.watcher import Watcher

JOB = '{entry_point: a.py, owner: "%s"}'
NEVER = 3600.0  # an interval that no test lives to see: what arrives, arrives by hint


def job_file(owner: str) -> str:
    return JOB.replace("%s", owner)


def job(name: str) -> Job:
    return Job(project="p", name=name, entry_point="a.py", file=f"{name}.yaml", digest="1")


def loader_of(path: Path) -> Loader:
    """Return a loader of the directory, with a project beside it that holds the entry point."""
    project = path.parent / "p"
    project.mkdir()
    (project / "a.py").touch()
    return Loader(
        path,
        show=str,
        timezone="UTC",
        defaults={},
        projects=lambda: {"p": project},
        last_good=path.parent / "last-good",
        clock=time.time,
    )


class Watched:
    """A directory of job files with a watcher on it, and what the watcher delivered. An owner tells the versions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.looks = 0
        self.delivered: list[Catalog] = []
        self.watchers: list[Watcher] = []

    def write(self, name: str, owner: str = "1") -> None:
        (self.path / f"{name}.yaml").write_text(job_file(owner))

    def start(self, *, interval: float = NEVER, also: Iterable[Path] = ()) -> Watcher:
        loader = loader_of(self.path)

        def load() -> Catalog:
            self.looks += 1
            return loader.load()

        watcher = Watcher(
            self.path,
            load=load,
            unsettled=lambda: loader.unsettled,
            deliver=self.delivered.append,
            also=lambda: also,
            interval=interval,
        )
        self.watchers.append(watcher)
        watcher.start()
        until(lambda: self.delivered, what="the first catalog")
        return watcher

    def owners(self) -> dict[str, str]:
        return {key.removeprefix("p/"): job.owner for key, job in self.delivered[-1].jobs.items()}

    def expect(self, **owners: str) -> None:
        until(lambda: self.owners() == owners, what=f"{owners} (now {self.owners()})")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "jobs.d").mkdir()
    directory = Watched(tmp_path / "jobs.d")
    yield directory
    for watcher in directory.watchers:
        watcher.stop()


def shell(command: str, where: Path) -> None:
    """Run the command; in it, `save OWNER` prints a job file."""
    subprocess.run(["/bin/sh", "-ec", f"save() {{ printf '{JOB}' \"$1\"; }}; {command}"], cwd=where, check=True)


def test_the_first_catalog_comes_without_any_change(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    watched.expect(a="1")


WAYS_TO_SAVE = {
    "in place": "save 2 > a.yaml",
    "like vim": "mv a.yaml a.yaml~ && save 2 > a.yaml && rm a.yaml~",
    "sed -i": "sed -i s/1/2/ a.yaml",
    "cp": "save 2 > ../new && cp ../new a.yaml",
    "mv from outside": "save 2 > ../new && mv ../new a.yaml",
    "temporary file and rename": "save 2 > .a.yaml.tmp && mv .a.yaml.tmp a.yaml",
    "remove and write again": "rm a.yaml && save 2 > a.yaml",
    "link to a file outside": "save 2 > ../new && ln -sf ../new a.yaml",
}


@pytest.mark.parametrize("command", WAYS_TO_SAVE.values(), ids=WAYS_TO_SAVE.keys())
def test_a_saved_file_takes_effect_by_hint_however_it_was_saved(watched: Watched, command: str) -> None:
    watched.write("a")
    watched.start()
    shell(command, watched.path)
    watched.expect(a="2")


def test_a_file_moved_out_is_gone(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    shell("mv a.yaml ..", watched.path)
    watched.expect()


def test_a_new_file_in_a_new_sub_directory_gives_a_hint(watched: Watched) -> None:
    watched.start()
    shell("mkdir sub && save 1 > sub/x && sleep 0.3 && ln -s sub/x a.yaml && rm a.yaml", watched.path)
    shell("save 1 > sub/y && mv sub/y b.yaml", watched.path)
    watched.expect(b="1")


def test_the_target_of_a_link_edited_elsewhere_is_found_by_the_rescan(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "target").write_text(job_file("1"))
    (watched.path / "a.yaml").symlink_to(tmp_path / "target")
    watched.start(interval=0.05)
    watched.expect(a="1")
    (tmp_path / "target").write_text(job_file("2"))
    watched.expect(a="2")


def test_asking_for_a_look_finds_what_gave_no_hint(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "target").write_text(job_file("1"))
    (watched.path / "a.yaml").symlink_to(tmp_path / "target")
    watcher = watched.start()
    (tmp_path / "target").write_text(job_file("2"))
    watcher.look()
    watched.expect(a="2")


def test_a_mounted_config_map_takes_effect_when_its_data_link_is_swapped(watched: Watched) -> None:
    shell("mkdir ..1 ..2 && save 1 > ..1/a.yaml && save 2 > ..2/a.yaml && ln -s ..1 ..data", watched.path)
    shell("ln -s ..data/a.yaml a.yaml", watched.path)
    watched.start()
    watched.expect(a="1")
    shell("ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data", watched.path)
    watched.expect(a="2")


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Watched]:
    """A watched path that is a link to one of the directories old and new, as git-sync leaves it."""
    for name, owner in (("old", "1"), ("new", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(job_file(owner))
    (tmp_path / "jobs.d").symlink_to("old")
    directory = Watched(tmp_path / "jobs.d")
    yield directory
    for watcher in directory.watchers:
        watcher.stop()


def test_a_swapped_link_to_the_whole_directory_takes_effect(linked: Watched, tmp_path: Path) -> None:
    linked.start()
    shell("ln -s new next && mv -T next jobs.d", tmp_path)
    linked.expect(a="2")


def test_changes_behind_a_swapped_link_give_hints_again(linked: Watched, tmp_path: Path) -> None:
    linked.start()
    shell("ln -s new next && mv -T next jobs.d", tmp_path)
    linked.expect(a="2")
    (tmp_path / "new" / "a.yaml").write_text(job_file("3"))
    linked.expect(a="3")


def test_a_directory_removed_and_made_again_is_watched_again(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    shutil.rmtree(watched.path)
    until(lambda: watched.delivered[-1].unreadable, what="the directory is missed")
    watched.path.mkdir()
    watched.write("a", "2")
    watched.expect(a="2")
    watched.write("a", "3")
    watched.expect(a="3")


def test_a_directory_removed_and_made_again_between_two_looks_is_watched_again(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    shell("rm -r jobs.d && mkdir jobs.d && save 2 > jobs.d/a.yaml", watched.path.parent)
    watched.expect(a="2")
    watched.write("a", "3")
    watched.expect(a="3")


def test_a_directory_swapped_by_rename_is_followed_to_the_new_one(watched: Watched, tmp_path: Path) -> None:
    watched.write("a")
    watched.start()
    shell("mkdir new && save 2 > new/a.yaml && mv jobs.d old && mv new jobs.d", tmp_path)
    watched.expect(a="2")
    watched.write("a", "3")
    watched.expect(a="3")


def test_a_directory_missing_at_the_start_is_found_when_it_appears(tmp_path: Path) -> None:
    late = Watched(tmp_path / "jobs.d")
    watcher = late.start()
    late.path.mkdir()
    late.write("a")
    late.expect(a="1")
    watcher.stop()


def test_an_unreadable_directory_removes_no_job(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    shell("mv jobs.d away && touch jobs.d", watched.path.parent)
    until(lambda: watched.delivered[-1].unreadable)
    shell("rm jobs.d && mv away jobs.d", watched.path.parent)
    until(lambda: not watched.delivered[-1].unreadable)
    assert all("p/a" in catalog.jobs for catalog in watched.delivered)


def test_a_file_found_half_written_is_read_again_without_a_further_hint(watched: Watched, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    (watched.path / "a.yaml").symlink_to(target)
    watched.start()
    target.write_text(job_file("1"))
    watched.expect(a="1")


def test_a_broken_file_keeps_its_last_good_job(watched: Watched) -> None:
    watched.write("a")
    watched.start()
    (watched.path / "a.yaml").write_text("entry_point: [")
    until(lambda: watched.delivered[-1].stale == {"p/a"})
    watched.expect(a="1")


def test_nothing_is_delivered_when_a_look_finds_nothing_new(watched: Watched) -> None:
    watched.write("a")
    watcher = watched.start()
    before = watched.looks
    watcher.look()
    until(lambda: watched.looks > before)
    watcher.stop()
    assert len(watched.delivered) == 1


class Script:
    """A loader that tells a story: one catalog, or exception, per look; the last one for ever."""

    def __init__(self, *looks: str | Exception) -> None:
        self.looks = list(looks)
        self.times: list[float] = []

    def load(self) -> Catalog:
        self.times.append(time.monotonic())
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        return Catalog(jobs={f"p/{name}": job(name) for name in found})


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., tuple[Script, list[str]]]]:
    """Start a watcher on a script; return the script and the delivered catalogs, as the names of their jobs."""
    watchers: list[Watcher] = []

    def tell(*looks: str | Exception) -> tuple[Script, list[str]]:
        script, delivered = Script(*looks), list[str]()
        watcher = Watcher(
            tmp_path,
            load=script.load,
            unsettled=lambda: False,
            deliver=lambda catalog: delivered.append("".join(sorted(key[-1] for key in catalog.jobs))),
            interval=0.02,
        )
        watchers.append(watcher)
        watcher.start()
        return script, delivered

    yield tell
    for watcher in watchers:
        watcher.stop()


Tell = Callable[..., tuple[Script, list[str]]]


def test_most_jobs_vanishing_for_single_looks_is_never_delivered(told: Tell) -> None:
    _, delivered = told("abc", "a", "abc", "a", "abc", "abcd")
    until(lambda: "abcd" in delivered)
    assert delivered == ["abc", "abcd"]


def test_most_jobs_staying_away_are_believed_gone(told: Tell) -> None:
    _, delivered = told("abc", "a")
    until(lambda: delivered == ["abc", "a"])


def test_a_picture_that_still_changes_is_not_believed(told: Tell) -> None:
    script, delivered = told("abcde", "a", "ab")
    until(lambda: len(delivered) > 1)
    assert delivered == ["abcde", "ab"]
    assert len(script.times) > 3, "the last picture was seen once only"


def look_again(watcher: Watcher, script: Script) -> None:
    looks = len(script.times)
    watcher.look()
    until(lambda: len(script.times) > looks)


def test_most_jobs_must_stay_away_for_a_second_however_often_it_looks(tmp_path: Path) -> None:
    script = Script("abc", "a")
    delivered: list[float] = []
    watcher = Watcher(
        tmp_path,
        load=script.load,
        unsettled=lambda: False,
        deliver=lambda catalog: delivered.append(time.monotonic()),
        interval=NEVER,
    )
    watcher.start()
    until(lambda: delivered)
    while len(delivered) < 2:
        look_again(watcher, script)
    watcher.stop()
    assert delivered[1] - script.times[1] >= 1.0


def test_a_loader_that_raises_is_reported_and_asked_again(told: Tell, caplog: pytest.LogCaptureFixture) -> None:
    _, delivered = told(OSError("disk on fire"), "a")
    until(lambda: delivered == ["a"])
    (record,) = (record for record in caplog.records if record.name == "windmill.jobs")
    assert record.__dict__["event"] == "watch.failed"


def test_stopping_leaves_no_thread_behind(watched: Watched) -> None:
    before = set(threading.enumerate())
    watched.start().stop()
    until(lambda: set(threading.enumerate()) <= before)


def test_a_delivery_that_fails_is_made_again(tmp_path: Path) -> None:
    attempts: list[Catalog] = []

    def deliver(catalog: Catalog) -> None:
        attempts.append(catalog)
        if len(attempts) == 1:
            message = "not now"
            raise ConnectionError(message)

    watcher = Watcher(tmp_path, load=Script("a").load, unsettled=lambda: False, deliver=deliver, interval=0.02)
    watcher.start()
    until(lambda: len(attempts) > 1)
    watcher.stop()
    assert attempts[0] == attempts[1]


WITHOUT_INOTIFY = """
import logging, os, resource, sys, threading
from pathlib import Path
from windmill.core.model import Catalog
from windmill.jobs.watcher import Watcher

looks, delivered, enough = [], [], threading.Event()

def load():
    looks.append(None)
    if len(looks) == 3:
        enough.set()
    return Catalog(jobs={}, files=len(looks))

logging.basicConfig(format="%(event)s", stream=sys.stdout)
free = os.dup(0)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))  # inotify_init answers EMFILE, as at its own limit
watcher = Watcher(Path(sys.argv[1]), load=load, unsettled=lambda: False, deliver=delivered.append)
watcher.start()
enough.wait(30)
watcher.stop()
print(len(delivered) >= 3)
"""


def test_without_inotify_it_warns_once_and_goes_on_by_rescans(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_INOTIFY, str(tmp_path)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == ["watch.degraded", "True"]


def test_a_file_beside_the_directory_gives_a_hint_where_it_is_named(watched: Watched, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    watched.start(also=[settings])
    before = watched.looks
    settings.touch()
    until(lambda: watched.looks > before, what="a look")
