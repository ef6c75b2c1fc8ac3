from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.support.builders import NOON
from windmill.app.composing import HomeDrafts
from windmill.app.entry_points import DEPTH_MAX, SHOWN_MAX, entry_points
from windmill.app.home import Home
from windmill.core.errors import Refused

HELLO = b"name: hello\nproject: shop\nentry_point: main.py\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "projects" / "shop" / "jobs").mkdir(parents=True)
    (tmp_path / "projects" / "shop" / "main.py").touch()
    text = 'timezone = "America/Sao_Paulo"\n[projects.reports]\ngit = "https://git.example.com/reports.git"\n'
    (tmp_path / "windmill.toml").write_text(text)
    return tmp_path


@pytest.fixture
def drafts(home: Path) -> HomeDrafts:
    return HomeDrafts(Home(home, {}))


def test_a_file_is_judged_in_the_words_of_validate(drafts: HomeDrafts) -> None:
    checked = drafts.check(HELLO + b"schedule:\n  cron: 0 25 * * *\ntimeout: soon\n", "hello", NOON)
    assert not checked.valid
    assert [(path, problem.message) for path, problem in checked.findings] == [
        (("schedule", "cron"), "not a cron expression: Bad hour"),
        (("timeout",), "timeout is not valid"),
    ]


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"name: hello\nproject: shop\n", ("entry_point",)),
        (b"name: hello\nentry_point: main.py\n", ("project",)),
        (b"project: shop\nentry_point: main.py\n", ("name",)),
        (HELLO + b"schedule: {}\n", ("schedule",)),
        (HELLO + b"schedule:\n  interval:\n    hours: x\n", ("schedule", "interval")),
        (HELLO + b"env:\n  A: ${params.x}\n", ("env", "A")),
    ],
)
def test_a_problem_is_told_of_the_key_it_is_about(drafts: HomeDrafts, content: bytes, path: object) -> None:
    assert [finding.path for finding in drafts.check(content, "", NOON).findings] == [path]


def test_a_warning_does_not_make_it_invalid(drafts: HomeDrafts) -> None:
    checked = drafts.check(b"name: hello\nproject: shop\nentry_point: missing.py\n", "hello", NOON)
    assert [finding.problem.severity for finding in checked.findings] == ["warning"]
    assert checked.valid


def test_the_next_ten_starts_are_told_in_the_zone_of_the_home(drafts: HomeDrafts) -> None:
    checked = drafts.check(HELLO + b'schedule: "0 3 * * *"\n', "hello", NOON)
    assert (checked.key, len(checked.starts)) == ("shop/hello", 10)
    assert f"{checked.starts[0]:%d %H:%M} {checked.starts[0].tzinfo}" == "02 03:00 America/Sao_Paulo"
    assert checked.words == "at 03:00 every day, America/Sao_Paulo"


def test_a_job_that_is_off_has_no_starts(drafts: HomeDrafts) -> None:
    assert drafts.check(HELLO + b"schedule: '@daily'\nenabled: false\n", "hello", NOON).starts == ()


@pytest.mark.parametrize(
    "text", ["- a", "a: b: c", "a: &x 1\nb: *x", "a: 1\n---\nb: 2", "on: 1: 2", "x", "!!python/none"]
)
def test_further_keys_are_plain_keys_or_a_mistake(drafts: HomeDrafts, text: str) -> None:
    keys, problems = drafts.keys_of(text)
    assert keys == {}
    assert problems


def test_no_further_keys_are_none(drafts: HomeDrafts) -> None:
    assert drafts.keys_of("") == ({}, [])
    assert drafts.keys_of("kill_grace: 5s\n") == ({"kill_grace": "5s"}, [])


def test_a_job_is_placed_where_the_scheduler_reads_it(drafts: HomeDrafts, home: Path) -> None:
    records: list[tuple[str, ...]] = []
    drafts.place("hello", HELLO, replaces="", record=lambda *facts: records.append(facts))
    assert (home / "jobs.d" / "hello.yaml").read_bytes() == HELLO == drafts.job_file("hello")
    assert records == [("jobs.d/hello.yaml", "", hashlib.sha256(HELLO).hexdigest())]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "x\n", "a" * 101])
def test_a_file_has_the_name_of_a_job(drafts: HomeDrafts, home: Path, name: str) -> None:
    with pytest.raises(Refused, match="cannot name"):
        drafts.place(name, HELLO, replaces="", record=lambda *_: None)
    assert drafts.job_file(name) is None
    assert not (home / "jobs.d").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"entry_point: main.py\n", "project is missing"),
        (HELLO + b"---\n" + HELLO.replace(b"hello", b"other"), "one job"),
        (b"", "one job"),
        (HELLO.replace(b"shop", b"reports"), "change in git only"),
    ],
)
def test_what_is_no_job_of_this_home_is_not_placed(
    drafts: HomeDrafts, home: Path, content: bytes, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        drafts.place("hello", content, replaces="", record=lambda *_: None)
    assert not (home / "jobs.d").exists()


def test_a_file_with_the_other_ending_is_in_the_way(drafts: HomeDrafts, home: Path) -> None:
    (home / "jobs.d").mkdir()
    (home / "jobs.d" / "hello.yml").touch()
    with pytest.raises(Refused, match=r"hello\.yml is there already"):
        drafts.place("hello", HELLO, replaces="", record=lambda *_: None)


def test_what_a_link_leads_to_is_not_shown(drafts: HomeDrafts, home: Path) -> None:
    (home / "jobs.d").mkdir()
    (home / "jobs.d" / "hello.yaml").symlink_to("/etc/passwd")
    assert drafts.job_file("hello") is None


# What can be started


def test_scripts_come_first_then_executables_and_modules(home: Path) -> None:
    shop = home / "projects" / "shop"
    (shop / "jobs" / "sales.py").touch()
    (shop / "pkg" / "sub").mkdir(parents=True)
    (shop / "pkg" / "sub" / "__main__.py").touch()
    (shop / "a.sh").touch(0o755)
    (shop / "data.csv").touch()
    found = entry_points(shop)
    assert found.files == ("jobs/sales.py", "main.py", "pkg/sub/__main__.py", "a.sh")
    assert (found.modules, found.more) == (("-m pkg.sub",), False)


def test_nothing_hidden_and_nothing_behind_links_is_listed(home: Path) -> None:
    shop = home / "projects" / "shop"
    (home / "secret.py").touch()
    for directory in (".venv", "__pycache__", "node_modules", ".git"):
        (shop / directory).mkdir()
        (shop / directory / "x.py").touch()
    (shop / ".env.py").touch()
    (shop / "out.py").symlink_to(home / "secret.py")
    (shop / "loop.py").symlink_to("loop.py")
    (shop / "home").symlink_to(home, target_is_directory=True)
    (shop / "same.py").symlink_to("main.py")
    os.mkfifo(shop / "pipe.py")
    Path(os.fsdecode(os.fsencode(shop) + b"/\xff.py")).touch()
    (shop / "a\nb.py").touch()
    assert entry_points(shop).files == ("main.py", "same.py")


def test_a_listing_has_an_end(tmp_path: Path) -> None:
    for number in range(SHOWN_MAX + 1):
        (tmp_path / f"{number}.py").touch()
    found = entry_points(tmp_path)
    assert (len(found.files), found.more) == (SHOWN_MAX, True)


def test_directories_are_not_followed_for_ever(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (DEPTH_MAX + 2))
    deep.mkdir(parents=True)
    (deep / "x.py").touch()
    assert entry_points(tmp_path).files == ()


def test_a_project_of_one_file_has_that(tmp_path: Path) -> None:
    (tmp_path / "tool.py").touch()
    assert entry_points(tmp_path / "tool.py").files == ("tool.py",)


def test_of_a_project_that_is_not_there_yet_nothing_can_be_started(drafts: HomeDrafts) -> None:
    assert drafts.listing("reports") == drafts.listing("unknown") == drafts.listing("../..")
    assert drafts.listing("reports").files == ()
