from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from windmill.core.errors import Problem
from windmill.core.model import Catalog, Job
from windmill.jobs.loader import SAVES_PER_LOAD, SETTLED, Loader
from windmill.jobs.strict_yaml import MAX_BYTES

GOOD = "entry_point: a.py\n"
BAD = "entry_point: 3\n"


@dataclass
class Home:
    """A directory of job files, and a clock by which everything was written long ago."""

    root: Path
    now: float = 1e11
    projects: dict[str, Path] = field(default_factory=dict)
    linted: list[str] = field(default_factory=list)  # names of jobs, once per parsing
    read: int = 0  # files; the loader asks for the time after reading one

    def __post_init__(self) -> None:
        self.jobs.mkdir()
        code = self.root / "code"
        code.mkdir()
        (code / "a.py").touch()
        self.projects["p"] = code
        self.loader = self.restart()

    @property
    def jobs(self) -> Path:
        return self.root / "jobs.d"

    @property
    def last_good(self) -> Path:
        return self.root / "state" / "last_good"

    def restart(self) -> Loader:
        self.loader = Loader(
            self.jobs,
            show=lambda path: str(path.relative_to(self.root)),
            timezone="UTC",
            defaults={},
            projects=lambda: self.projects,
            last_good=self.last_good,
            clock=self._clock,
            lint=self._lint,
        )
        return self.loader

    def _clock(self) -> float:
        self.read += 1
        return self.now

    def _lint(self, job: Job) -> list[Problem]:
        self.linted.append(job.name)
        return []

    def write(self, name: str, text: str) -> Path:
        path = self.jobs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self) -> Catalog:
        return self.loader.load()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def names(catalog: Catalog) -> set[str]:
    return {key.removeprefix("p/") for key in catalog.jobs}


def messages(catalog: Catalog) -> list[str]:
    return [problem.message for problem in catalog.problems]


def test_every_visible_job_file_is_read(home: Home) -> None:
    for name in ("a.yaml", "b.yml", "deep/er/c.yaml", ".hidden.yaml", ".git/d.yaml", "notes.txt", "e.yaml.bak"):
        home.write(name, GOOD)
    catalog = home.load()
    assert names(catalog) == {"a", "b", "c"}
    assert (catalog.files, catalog.problems, catalog.stale) == (3, (), frozenset())


def test_files_are_shown_as_people_know_them(home: Home) -> None:
    home.write("sub/a.yaml", GOOD)
    assert home.load().jobs["p/a"].file == "jobs.d/sub/a.yaml"


def test_an_unchanged_directory_gives_the_same_catalog_and_reads_nothing(home: Home) -> None:
    for number in range(10_000):
        home.write(f"{number % 100}/j{number}.yaml", GOOD)
    before = home.load()
    home.linted.clear()
    home.read = 0
    assert home.load() is before
    assert (home.read, home.linted) == (0, [])


def test_a_touched_file_is_not_parsed_again(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    home.linted.clear()
    os.utime(path, ns=(1, 1))
    home.load()
    assert home.linted == []


def test_only_the_changed_file_is_parsed(home: Home) -> None:
    home.write("a.yaml", GOOD)
    home.write("b.yaml", GOOD)
    home.load()
    home.linted.clear()
    home.write("a.yaml", GOOD + "owner: me\n")
    assert home.load().jobs["p/a"].owner == "me"
    assert home.linted == ["a"]


def test_a_removed_file_takes_its_jobs_with_it(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    path.unlink()
    assert names(home.load()) == set()
    assert not any(path.is_file() for path in home.last_good.rglob("*"))


def test_a_file_removed_while_nobody_looked_is_gone_after_a_restart(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    path.unlink()
    home.restart()
    assert names(home.load()) == set()


def test_a_document_removed_from_a_valid_file_goes(home: Home) -> None:
    home.write("a.yaml", f"{GOOD}---\nname: b\n{GOOD}")
    home.load()
    home.write("a.yaml", GOOD)
    assert names(home.load()) == {"a"}


def test_a_broken_file_keeps_its_last_good_jobs(home: Home) -> None:
    home.write("a.yaml", GOOD + "owner: me\n")
    home.load()
    home.write("a.yaml", BAD)
    catalog = home.load()
    assert catalog.jobs["p/a"].owner == "me"
    assert catalog.stale == {"p/a"}
    assert messages(catalog) == ["entry_point is not valid"]


def test_the_last_good_jobs_survive_a_restart(home: Home) -> None:
    home.write("a.yaml", GOOD + "owner: me\n")
    home.load()
    home.write("a.yaml", "entry_point: [")
    home.load()
    home.restart()
    catalog = home.load()
    assert catalog.jobs["p/a"].owner == "me"
    assert catalog.stale == {"p/a"}


def test_a_mended_file_is_no_longer_stale(home: Home) -> None:
    for text in (GOOD, BAD, GOOD):
        home.write("a.yaml", text)
        catalog = home.load()
    assert (catalog.stale, catalog.problems) == (frozenset(), ())


def test_good_documents_of_a_broken_file_are_taken_up(home: Home) -> None:
    home.write("a.yaml", f"{GOOD}---\nname: b\n{GOOD}")
    home.load()
    home.write("a.yaml", f"{GOOD}owner: me\n---\nname: b\n{BAD}")
    catalog = home.load()
    assert catalog.jobs["p/a"].owner == "me"
    assert catalog.stale == {"p/b"}


def test_a_file_broken_from_the_start_has_no_jobs(home: Home) -> None:
    home.write("a.yaml", BAD)
    catalog = home.load()
    assert (names(catalog), len(catalog.problems)) == (set(), 1)


def test_copies_are_readable_by_their_owner_only(home: Home) -> None:
    home.write("sub/a.yaml", GOOD)
    home.load()
    assert (home.last_good / "sub" / "a.yaml").stat().st_mode & 0o077 == 0
    assert (home.last_good / "sub").stat().st_mode & 0o077 == 0


def test_many_copies_are_written_over_several_loads(home: Home) -> None:
    for number in range(SAVES_PER_LOAD + 1):
        home.write(f"j{number}.yaml", GOOD)
    first = home.load()
    assert home.loader.unsettled
    assert home.load() is first
    assert not home.loader.unsettled
    assert len(list(home.last_good.iterdir())) == SAVES_PER_LOAD + 1


def test_copies_that_cannot_be_written_are_a_warning(home: Home) -> None:
    (home.root / "state").write_text("in the way")
    home.write("a.yaml", GOOD)
    catalog = home.load()
    assert names(catalog) == {"a"}
    assert [(problem.code, problem.severity) for problem in catalog.problems] == [("not-kept", "warning")]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_looked_at_again_and_never_a_deletion(home: Home, text: str) -> None:
    home.write("a.yaml", GOOD)
    home.load()
    home.write("a.yaml", text)
    home.load()
    catalog = home.load()
    assert catalog.stale == {"p/a"}
    assert messages(catalog) == ["the file is empty"]


def test_a_file_found_empty_is_unsettled_once(home: Home) -> None:
    home.write("a.yaml", GOOD)
    before = home.load()
    home.write("a.yaml", "")
    assert home.load() is before
    assert home.loader.unsettled
    home.load()
    assert not home.loader.unsettled


def test_comments_alone_are_a_valid_file_without_jobs(home: Home) -> None:
    home.write("a.yaml", GOOD)
    home.load()
    home.write("a.yaml", "# entry_point: a.py\n")
    assert home.load().jobs == {}


def test_a_young_file_that_is_not_valid_counts_as_before(home: Home) -> None:
    home.write("a.yaml", GOOD)
    before = home.load()
    home.now = home.write("a.yaml", "entry_poi").stat().st_mtime + SETTLED / 2
    assert home.load() is before
    assert home.loader.unsettled


def test_a_young_file_that_is_valid_counts_at_once(home: Home) -> None:
    home.now = home.write("a.yaml", GOOD).stat().st_mtime + SETTLED / 2
    assert names(home.load()) == {"a"}
    assert not home.loader.unsettled


def test_a_young_file_is_read_again_for_it_may_change_within_one_tick_of_its_time(home: Home) -> None:
    home.now = home.write("a.yaml", GOOD).stat().st_mtime + SETTLED / 2
    home.load()
    home.now += SETTLED
    home.load()
    assert home.read == 2
    home.load()
    assert home.read == 2


def test_two_files_that_claim_one_job_are_both_refused(home: Home) -> None:
    home.write("a.yaml", GOOD)
    home.write("b.yaml", "name: a\n" + GOOD)
    catalog = home.load()
    assert catalog.jobs == {}
    assert messages(catalog) == [
        'job "p/a" is also defined in jobs.d/b.yaml:1',
        'job "p/a" is also defined in jobs.d/a.yaml:1',
    ]


def test_two_documents_of_one_file_that_claim_one_job_are_both_refused(home: Home) -> None:
    home.write("a.yaml", f"{GOOD}---\n{GOOD}")
    catalog = home.load()
    assert catalog.jobs == {}
    assert [problem.line for problem in catalog.problems] == [1, 3]


@pytest.mark.parametrize("restarted", [False, True])
def test_the_job_that_held_a_name_before_stays(home: Home, *, restarted: bool) -> None:
    home.write("b.yaml", "name: x\nowner: first\n" + GOOD)
    home.load()
    home.write("a.yaml", "name: x\nowner: second\n" + GOOD)
    home.load()
    if restarted:
        home.restart()
    catalog = home.load()
    assert catalog.jobs["p/x"].owner == "first"
    assert catalog.stale == {"p/x"}


def test_a_newcomer_does_not_take_the_name_of_a_broken_file(home: Home) -> None:
    home.write("a.yaml", "name: x\nowner: first\n" + GOOD)
    home.load()
    home.write("a.yaml", "name: x\nowner: first\n" + BAD)
    home.write("b.yaml", "name: x\nowner: second\n" + GOOD)
    assert home.load().jobs["p/x"].owner == "first"


def test_the_other_jobs_of_a_file_in_conflict_count(home: Home) -> None:
    home.write("a.yaml", f"{GOOD}---\nname: other\n{GOOD}")
    home.write("b.yaml", "name: a\n" + GOOD)
    assert names(home.load()) == {"other"}


def test_a_conflict_ends_with_one_of_the_files(home: Home) -> None:
    home.write("a.yaml", GOOD)
    rival = home.write("b.yaml", "name: a\n" + GOOD)
    home.load()
    rival.unlink()
    catalog = home.load()
    assert (names(catalog), catalog.problems, catalog.stale) == ({"a"}, (), frozenset())


def test_a_renamed_file_with_a_named_job_is_the_same_job(home: Home) -> None:
    path = home.write("a.yaml", "name: x\n" + GOOD)
    before = home.load().jobs["p/x"]
    path.rename(home.jobs / "z.yaml")
    catalog = home.load()
    assert catalog.jobs["p/x"].digest == before.digest
    assert catalog.problems == ()


def _missing(home: Home) -> None:
    home.jobs.rename(home.root / "elsewhere")


def _a_file(home: Home) -> None:
    _missing(home)
    home.jobs.write_text("not a directory")


def _a_circle(home: Home) -> None:
    _missing(home)
    home.jobs.symlink_to(home.jobs)


@pytest.mark.parametrize("spoil", [_missing, _a_file, _a_circle])
@pytest.mark.parametrize("restarted", [False, True])
def test_an_unreadable_directory_deletes_nothing(
    home: Home, spoil: Callable[[Home], None], *, restarted: bool
) -> None:
    home.write("a.yaml", GOOD)
    home.write("sub/b.yaml", GOOD)
    home.load()
    spoil(home)
    if restarted:
        home.restart()
    catalog = home.load()
    assert names(catalog) == {"a", "b"}
    assert catalog.unreadable
    assert [problem.code for problem in catalog.problems] == ["unreadable"]


def test_a_directory_that_comes_back_is_read_again(home: Home) -> None:
    home.write("a.yaml", GOOD)
    home.load()
    _missing(home)
    home.load()
    (home.root / "elsewhere").rename(home.jobs)
    catalog = home.load()
    assert (catalog.unreadable, catalog.problems, catalog.stale) == (False, (), frozenset())


def test_an_empty_directory_has_no_jobs(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    path.unlink()
    catalog = home.load()
    assert (catalog.jobs, catalog.unreadable) == ({}, False)


def test_a_link_to_a_file_is_followed(home: Home) -> None:
    target = home.root / "target.yaml"
    target.write_text(GOOD)
    (home.jobs / "a.yaml").symlink_to(target)
    home.load()
    target.write_text(GOOD + "owner: me\n")
    assert home.load().jobs["p/a"].owner == "me"


@pytest.mark.parametrize("target", ["nowhere.yaml", "a.yaml"])
def test_a_file_that_cannot_be_opened_keeps_its_jobs(home: Home, target: str) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    path.unlink()
    path.symlink_to(target)
    catalog = home.load()
    assert names(catalog) == {"a"}
    assert catalog.stale == {"p/a"}
    assert [problem.code for problem in catalog.problems] == ["unreadable"]


def test_what_is_no_regular_file_is_not_opened(home: Home) -> None:
    os.mkfifo(home.jobs / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(home.jobs / "socket.yaml"))
        catalog = home.load()
    assert messages(catalog) == ["not a regular file", "not a regular file"]


def test_a_link_to_a_directory_is_reported_and_not_followed(home: Home) -> None:
    (home.jobs / "round").symlink_to(home.jobs)
    assert messages(home.load()) == ["links to directories are not followed"]


def test_a_name_that_is_not_utf_8_is_reported(home: Home) -> None:
    (Path(os.fsdecode(bytes(home.jobs) + b"/\xff.yaml"))).write_text(GOOD)
    assert messages(home.load()) == ["the file's name is not UTF-8"]


def test_a_huge_file_is_refused_without_being_read_whole(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    catalog = home.load()
    assert catalog.stale == {"p/a"}
    assert catalog.problems[0].found == f"{MAX_BYTES + 1} bytes or more"


def test_jobs_are_judged_again_when_their_project_comes(home: Home) -> None:
    home.write("a.yaml", "project: late\n" + GOOD)
    assert home.load().jobs == {}
    home.projects["late"] = home.projects["p"]
    assert set(home.load().jobs) == {"late/a"}


def test_jobs_of_a_project_that_went_stay(home: Home) -> None:
    home.write("a.yaml", "project: p\n" + GOOD)
    home.load()
    home.projects.clear()
    catalog = home.load()
    assert catalog.stale == {"p/a"}
    assert messages(catalog) == ["there is no project"]


def test_the_warning_about_a_missing_entry_point_ends_when_it_comes(home: Home) -> None:
    home.write("a.yaml", "entry_point: late.py\n")
    assert [problem.severity for problem in home.load().problems] == ["warning"]
    (home.projects["p"] / "late.py").touch()
    assert home.load().problems == ()


def test_a_file_swapped_for_a_directory_of_that_name_is_a_removal(home: Home) -> None:
    path = home.write("a.yaml", GOOD)
    home.load()
    path.unlink()
    home.write("a.yaml/b.yaml", GOOD)
    assert names(home.load()) == {"b"}
    home.restart()
    assert names(home.load()) == {"b"}
