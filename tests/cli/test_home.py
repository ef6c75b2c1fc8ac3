from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.support.builders import a_job
from tests.support.command import make_home, remember, windmill
from tests.support.mongo import free_port
from tests.support.stand_in import done, scheduler
from windmill.app.home import Home, find_home
from windmill.app.reading import catalog_reader
from windmill.core.documents import to_text
from windmill.core.errors import NotFound
from windmill.scheduler.clock import now


def test_a_home_that_is_named_wins_over_the_variable(tmp_path: Path) -> None:
    one, two = make_home(tmp_path / "one", {}), make_home(tmp_path / "two", {})
    assert find_home(one, {"WINDMILL_HOME": str(two)}) == one


def test_the_variable_names_the_home(tmp_path: Path) -> None:
    assert find_home(None, {"WINDMILL_HOME": str(make_home(tmp_path, {}))}) == tmp_path


def test_else_it_is_the_nearest_directory_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = make_home(make_home(tmp_path, {}) / "inner", {"jobs.d/deep/x.yaml": ""})
    monkeypatch.chdir(inner / "jobs.d" / "deep")
    assert find_home(None, {}) == inner


@pytest.mark.parametrize("environ", [{}, {"WINDMILL_HOME": "/nowhere"}])
def test_no_home_says_how_to_make_one(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="windmill init"):
        find_home(None, environ)


def test_a_scheduler_lives_as_long_as_it_holds_the_lock(home: Path) -> None:
    here = Home(home, {})
    here.make_state()
    assert not here.scheduler_alive()
    with (here.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert here.scheduler_alive()
    assert not here.scheduler_alive()


def test_asking_whether_a_scheduler_lives_leaves_the_lock_free(home: Path) -> None:
    here = Home(home, {})
    here.make_state()
    (here.state / "lock").touch()
    here.scheduler_alive()
    with (here.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_may_ask_at_once_and_neither_takes_the_other_for_a_scheduler(home: Path) -> None:
    here = Home(home, {})
    here.make_state()
    with (here.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert not here.scheduler_alive()


def test_the_state_directory_is_nobody_elses(home: Path) -> None:
    windmill(home, "ps")
    assert (home / ".windmill").stat().st_mode & 0o777 == 0o700


def test_reading_the_files_leaves_nothing_in_the_home(home: Path) -> None:
    windmill(home, "validate")
    assert not (home / ".windmill").exists()


def test_a_job_whose_file_broke_is_still_known_from_its_last_good_version(home: Path) -> None:
    here = Home(home, {})
    catalog_reader(here).load()
    (home / "jobs.d" / "hello.yaml").write_text("schdule: {}\n")
    catalog = here.catalog()
    assert (list(catalog.jobs), list(catalog.stale)) == (["p/hello"], ["p/hello"])


@pytest.mark.parametrize("settings", ["[store]\nuri = 3\n", "[schedulr]\n", "= ="])
def test_a_mistake_in_the_settings_is_one_message(home: Path, settings: str) -> None:
    (home / "windmill.toml").write_text(settings)
    outcome = windmill(home, "jobs")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("windmill: windmill.toml")


def test_settings_that_are_nested_too_deeply_are_one_message(home: Path) -> None:
    (home / "windmill.toml").write_text("a = " + "[" * 20_000)
    assert windmill(home, "ps").err == "windmill: windmill.toml is nested too deeply\n"


def test_a_store_named_by_the_variable_needs_no_file_that_can_be_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDMILL_STORE_URI", f"mongodb://127.0.0.1:{free_port()}/windmill")
    (home / "windmill.toml").write_text("= =")
    outcome = windmill(home, "ps", "-a")
    assert (outcome.status, "127.0.0.1" in outcome.err) == (5, True)


def test_a_store_that_cannot_be_used_is_told_by_the_status(home: Path) -> None:
    windmill(home, "ps")
    (home / ".windmill" / "windmill.db").write_bytes(b"no database" * 1000)
    outcome = windmill(home, "ps")
    assert (outcome.status, "not a database" in outcome.err) == (5, True)


@pytest.mark.parametrize("uri", ["postgres://me:secret@db/windmill", "me:secret@db", "mongodb://me:secret?@db/x"])
def test_a_store_of_another_kind_is_refused_without_its_password(home: Path, uri: str) -> None:
    (home / "windmill.toml").write_text(f'[store]\nuri = "{uri}"\n')
    outcome = windmill(home, "ps")
    assert (outcome.status, "mongodb://" in outcome.err, "secret" in outcome.err) == (1, True, False)


def test_a_mongodb_that_does_not_answer_is_told_by_the_status_without_the_password(home: Path) -> None:
    (home / "windmill.toml").write_text(f'[store]\nuri = "mongodb://me:secret@127.0.0.1:{free_port()}/windmill"\n')
    outcome = windmill(home, "ps")
    assert (outcome.status, "127.0.0.1" in outcome.err, "secret" in outcome.err) == (5, True, False)


def test_init_makes_a_home_whose_files_are_clean(tmp_path: Path) -> None:
    outcome = windmill(tmp_path, "init", str(tmp_path / "new"))
    assert (outcome.status, "windmill up" in outcome.err) == (0, True)
    checked = windmill(tmp_path / "new", "validate", "--json").json
    assert checked == {"jobs": ["hello/hello"], "problems": []}


def test_the_first_start_of_a_new_home_is_seconds_away(tmp_path: Path) -> None:
    windmill(tmp_path, "init", str(tmp_path / "new"))
    (start,) = windmill(tmp_path / "new", "next", "-n", "1", "--json").json
    assert start["slot"] <= (to_text(now().replace(year=now().year + 1)) or "")
    assert windmill(tmp_path / "new", "jobs", "--json").json[0]["schedule_words"] == "every 5 s"


def test_the_editor_finds_the_schema_that_the_job_names(tmp_path: Path) -> None:
    windmill(tmp_path, "init", str(tmp_path))
    (modeline, *_) = (tmp_path / "jobs.d" / "hello.yaml").read_text().splitlines()
    named = tmp_path / "jobs.d" / modeline.partition("$schema=")[2]
    assert '"entry_point"' in named.read_text()


def test_git_is_told_to_ignore_the_state(tmp_path: Path) -> None:
    windmill(tmp_path, "init", str(tmp_path))
    assert (tmp_path / ".gitignore").read_text() == ".windmill/\n"


@pytest.mark.parametrize("file", ["windmill.toml", "jobs.d/hello.yaml", "projects/hello/hello.py"])
def test_init_overwrites_nothing_and_then_does_nothing(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert windmill(tmp_path, "init", str(tmp_path)).status == 1
    assert (sorted(tmp_path.rglob("*")), (tmp_path / file).read_text()) == (before, "mine")


def verdicts(home: Path) -> dict[str, str]:
    return {check["about"]: check["verdict"] for check in windmill(home, "doctor", "--json").json}


def test_the_doctor_finds_a_good_home_well(home: Path) -> None:
    found = verdicts(home)
    assert {found[about] for about in ("python", "kernel", "home", "clock", "permissions", "store", "files")} == {
        "ok"
    }


def test_the_doctor_ends_with_three_for_a_problem_and_says_what_to_do(home: Path) -> None:
    (home / "jobs.d" / "bad.yaml").write_text("schdule: {}\n")
    outcome = windmill(home, "doctor")
    assert outcome.status == 3
    assert "problem\tfiles\t" in outcome.out
    assert "windmill validate" in outcome.out


def test_the_doctor_counts_no_job_of_windmill_itself(home: Path) -> None:
    (home / "windmill.toml").write_text('[projects.reports]\ngit = "/nowhere"\n')
    found = {check["about"]: check["found"] for check in windmill(home, "doctor", "--json").json}
    assert found["files"] == "1 job"


def test_the_doctor_sees_who_else_may_read(home: Path) -> None:
    Home(home, {}).make_state()
    (home / ".windmill").chmod(0o755)
    assert verdicts(home)["permissions"] == "problem"


def test_the_doctor_sees_a_store_that_is_damaged(home: Path) -> None:
    Home(home, {}).make_state()
    (home / ".windmill" / "windmill.db").write_bytes(b"no database" * 1000)
    assert verdicts(home)["store"] == "problem"


def test_the_doctor_examines_on_when_the_settings_are_wrong(home: Path) -> None:
    (home / "windmill.toml").write_text("[schedulr]\n")
    found = verdicts(home)
    assert (found["clock"], found["disk"]) == ("problem", "ok")


def test_without_a_home_the_doctor_examines_the_machine(tmp_path: Path) -> None:
    found = verdicts(tmp_path)
    assert (found["python"], found["home"]) == ("ok", "problem")


@pytest.mark.parametrize(("age", "verdict"), [(1, "ok"), (60, "problem")])
def test_the_doctor_listens_for_the_heartbeat(home: Path, age: int, verdict: str) -> None:
    beat = to_text(now().fromtimestamp(now().timestamp() - age, now().tzinfo))
    with scheduler(home, done(), jobs=[a_job()], status={"scheduler": {"id": "scheduler", "at": beat}}):
        assert verdicts(home)["scheduler"] == verdict


@pytest.mark.parametrize(
    ("url", "allow", "words"),
    [
        ("http://127.0.0.1:9/HUSH", '["127.0.0.0/8"]', "1; 0 sent, 0 failed, 0 dropped"),
        ("http://127.0.0.1:9/HUSH", "[]", "of p/hello: the URL leads to a loopback or private address"),
        ("gopher://HUSH", "[]", "of p/hello: the URL does not begin with http"),
    ],
)
def test_the_doctor_looks_where_heartbeats_lead(home: Path, url: str, allow: str, words: str) -> None:
    (home / "windmill.toml").write_text(f"[heartbeat]\nallow = {allow}\n")
    (home / "url").write_text(url)
    with (home / "jobs.d" / "hello.yaml").open("a") as job:
        job.write(f"heartbeat: {{from_file: {home / 'url'}}}\n")
    answer = windmill(home, "doctor")
    assert words in answer.out
    assert "HUSH" not in answer.out


def test_a_command_that_only_reads_works_in_a_home_it_may_not_write(home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    remember(home, jobs=[a_job()])
    home.chmod(0o500)
    try:
        assert windmill(home, "validate").status == 0
    finally:
        home.chmod(0o700)
