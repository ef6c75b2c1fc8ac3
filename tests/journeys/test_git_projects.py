"""Projects that are pulled: commits go live by themselves, whole, or not at all."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.git_server import git_daemon, http_server, mute, server
from tests.support.pulled import EVERY_SECOND, SYNC, Pulled
from tests.support.waiting import until
from windmill.projects.git_upkeep import MANY


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[Pulled]:
    pulled = Pulled(tmp_path)
    with pulled.home:
        yield pulled


def test_a_commit_goes_live_by_itself_and_every_execution_names_it(pulled: Pulled) -> None:
    first = pulled.commit("print('one')", "Say one", nightly=EVERY_SECOND)
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    second = pulled.commit("print('two')", "Say two")
    until(lambda: b"two\n" in pulled.outputs())
    executions = pulled.home.ended("reports/nightly")
    seen = {(pulled.home.output(one["id"]), one["revision"], one["subject"]) for one in executions}
    assert seen == {(b"one\n", f"main@sha1:{first}", "Say one"), (b"two\n", f"main@sha1:{second}", "Say two")}
    assert {one["author"] for one in executions} == {"Ada <ada@example.com>"}


def test_a_sync_is_recorded_with_its_output(pulled: Pulled) -> None:
    commit = pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.up()
    until(lambda: pulled.home.ended(SYNC))
    assert f"published main@sha1:{commit}" in pulled.home.output(pulled.home.ended(SYNC)[0]["id"]).decode()


def test_an_execution_keeps_the_revision_it_started_with(pulled: Pulled, tmp_path: Path) -> None:
    gate, code = tmp_path / "gate", "import os, time, helper\nwhile not os.path.exists({!r}): time.sleep(0.02)\n"
    again = "from importlib import reload\nprint(helper.word, reload(helper).word)\n"
    pulled.upstream.write({"helper.py": "word = 'old'\n"})
    pulled.commit(code.format(str(gate)) + again, nightly="entry_point: main.py\n")
    pulled.home.up()
    until(lambda: pulled.live() and pulled.home.ended(SYNC))
    until(lambda: any(job["id"] == "reports/nightly" for job in pulled.home.json("jobs")))
    pulled.home.cli("run", "-d", "nightly")
    pulled.upstream.write({"helper.py": "word = 'new'\n"})
    commit = pulled.commit("print('new')")
    until(lambda: pulled.live() == commit)
    gate.touch()
    until(lambda: pulled.outputs() == [b"old old\n"])


def test_a_broken_job_file_holds_its_job_where_it_was_good_also_over_a_restart(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly=EVERY_SECOND, daily=EVERY_SECOND)
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    commit = pulled.commit("print('two')", nightly="entry_point: [\n")
    until(lambda: b"two\n" in pulled.outputs("reports/daily"))
    pulled.home.terminate()
    known = len(pulled.outputs())
    pulled.home.up()
    until(lambda: len(pulled.outputs()) > known)
    assert set(pulled.outputs()) == {b"one\n"}
    problems = pulled.home.cli("problems", check=False).stdout
    assert f"reports@{commit[:10]}:jobs.d/nightly.yaml" in problems


def test_code_that_cannot_run_is_tried_once_and_the_old_revision_stays(pulled: Pulled) -> None:
    good = pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    bad = pulled.commit("print(")
    until(lambda: pulled.row()["sync"] == "error")
    known = len(pulled.outputs())
    until(lambda: len(pulled.outputs()) > known + 2)  # several polls later
    assert pulled.live() == good
    assert len(pulled.home.ended(SYNC)) == 2
    assert f"reports@{bad[:10]}:main.py" in pulled.home.cli("problems", check=False).stdout
    mended = pulled.commit("print('mended')")
    until(lambda: pulled.live() == mended)


def test_a_commit_that_removes_most_jobs_waits_for_a_person(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly=EVERY_SECOND, daily=EVERY_SECOND)
    pulled.home.up()
    until(lambda: pulled.outputs("reports/daily"))
    commit = pulled.commit("print('one')", "Clean up", nightly="", daily="")
    until(lambda: pulled.row()["sync"] == "held")
    assert set(pulled.row()["attempted"]["removes"]) == {"reports/nightly", "reports/daily"}
    pulled.home.cli("sync", "reports", "--accept")
    assert pulled.live() == commit
    until(lambda: not [job for job in pulled.home.json("jobs") if job["project"] == "reports"])
    shown = pulled.home.cli("show", "reports/daily").stdout
    assert f"its file is gone by Ada <ada@example.com> in {commit[:12]}: Clean up" in shown


def test_history_may_be_rewritten_and_a_branch_may_vanish(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    pulled.upstream.git("commit", "-q", "--amend", "-m", "Rewritten")
    rewritten = pulled.upstream.head()
    until(lambda: pulled.live() == rewritten)
    pulled.upstream.git("checkout", "-q", "-b", "other")
    pulled.upstream.git("branch", "-q", "-D", "main")
    until(lambda: pulled.row()["sync"] == "error")
    assert 'no branch or tag "main"' in pulled.row()["error"]
    known = len(pulled.outputs())
    until(lambda: len(pulled.outputs()) > known)
    assert pulled.live() == rewritten


def test_a_tag_that_moves_takes_the_project_along(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.upstream.git("tag", "-a", "v1", "-m", "first")
    pulled.point_at(pulled.upstream.url, 'ref = "v1"')
    pulled.home.up()
    until(lambda: pulled.live() == pulled.upstream.head())
    second = pulled.commit("print('two')")
    pulled.upstream.git("tag", "-f", "-a", "v1", "-m", "again")
    until(lambda: pulled.live() == second)


def test_a_commit_as_ref_pins_the_project_and_rolls_it_back_at_once(pulled: Pulled) -> None:
    first = pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.up()
    until(lambda: pulled.live() == first)
    second = pulled.commit("print('two')")
    until(lambda: pulled.live() == second)
    pulled.point_at(pulled.upstream.url, f'ref = "{first}"')
    until(lambda: pulled.live() == first)
    assert "one" in pulled.home.cli("run", "nightly").stdout


def test_a_server_that_hangs_delays_no_slot(pulled: Pulled) -> None:
    pulled.home.script("tick.py", "print('tick')")
    pulled.home.job("tick", "project: p\nentry_point: tick.py\nschedule: {interval: 1s}\n")
    with server(mute) as port:
        pulled.point_at(f"git://127.0.0.1:{port}/reports")
        pulled.home.up()
        until(lambda: len(pulled.home.ended("p/tick")) >= 4)
        assert all(one["coalesced"] == 0 for one in pulled.home.ended("p/tick"))
        assert pulled.row()["sync"] == "unknown"
        assert pulled.home.terminate() == 0


def test_a_password_that_is_wanted_comes_from_the_environment_and_is_told_to_nobody(pulled: Pulled) -> None:
    commit = pulled.commit("print('one')", nightly="entry_point: main.py\n")
    secret = pulled.home.root / "token"
    secret.write_text("hunter2-of-reports\n")
    with http_server(pulled.upstream.path.parent, password="hunter2-of-reports") as base:
        pulled.point_at(f"{base}/upstream", poll="1h")
        pulled.home.up()
        until(lambda: pulled.row()["sync"] == "error")
        pulled.point_at(f"{base}/upstream", f'token = {{from_file = "{secret}"}}', poll="1h")
        os.kill(pulled.home.scheduler.pid if pulled.home.scheduler else 0, signal.SIGHUP)
        until(lambda: pulled.live() == commit)
    told = pulled.home.messages() + str(pulled.home.json("projects", "reports"))
    told += "".join(pulled.home.output(one["id"]).decode() for one in pulled.home.executions(SYNC))
    assert "hunter2" not in told
    state = [path for path in (pulled.home.root / ".windmill").rglob("*") if path.is_file() and path.name != "lock"]
    assert not [path for path in state if b"hunter2" in path.read_bytes()]


def test_a_secret_in_the_query_of_the_address_is_refused_and_told_to_nobody(pulled: Pulled) -> None:
    pulled.point_at("http://127.0.0.1:1/reports?private_token=canary")
    done = [pulled.home.cli(*command, check=False) for command in (("projects",), ("sync",), ("up",))]
    told = "".join(one.stdout + one.stderr for one in done)
    assert "projects.reports.git has a ? or #" in told
    assert "canary" not in told
    assert not [path for path in (pulled.home.root / ".windmill").rglob("*") if b"canary" in _content(path)]


def test_a_killed_sync_repairs_itself(pulled: Pulled) -> None:
    commit = pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.cli("sync", "reports")
    mirror = pulled.home.root / ".windmill" / "mirrors" / "reports.git"
    (mirror / "HEAD").write_text("garbage")
    (mirror / "shallow.lock").touch()
    for left in (".tmp-killed", ".trash-killed"):
        (mirror.parent.parent / "revisions" / "reports" / left).mkdir()
    again = pulled.commit("print('two')")
    pulled.home.cli("sync", "reports")
    assert commit != again == pulled.live()


def test_a_sync_makes_one_pack_of_a_mirrors_many(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.cli("sync", "reports")
    packs = pulled.home.root / ".windmill" / "mirrors" / "reports.git" / "objects" / "pack"
    for number in range(MANY):
        pulled.upstream.git("pack-objects", "-q", f"{packs}/pack", stdin=pulled.upstream.blob(str(number)) + "\n")
    pulled.home.cli("sync", "reports")
    assert len(list(packs.glob("*.pack"))) == 1


def test_a_project_is_synced_without_a_scheduler(pulled: Pulled) -> None:
    with git_daemon(pulled.upstream.path.parent) as base:
        commit = pulled.commit("print('one')", nightly="entry_point: main.py\n")
        pulled.point_at(f"{base}/upstream")
        assert "published" in pulled.home.cli("sync").stdout
    assert pulled.live() == commit
    assert pulled.home.cli("run", "nightly").stdout == "one\n"


def test_a_failure_after_a_change_names_the_commits_since_the_last_success(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.cli("sync")
    pulled.home.cli("run", "nightly")
    pulled.upstream.commit({"docs/readme.md": "x"}, "Write docs")
    pulled.commit("raise SystemExit(3)", "Break it")
    pulled.home.cli("sync")
    pulled.home.cli("run", "nightly", check=False)
    suspects = pulled.home.json("show", "nightly")["suspects"]
    assert [one["subject"] for one in suspects] == ["Break it", "Write docs"]
    assert "Break it" in pulled.home.cli("show", pulled.home.ended("reports/nightly")[-1]["id"]).stdout


def test_an_archive_that_is_dropped_goes_live(pulled: Pulled) -> None:
    pulled.point_at(pulled.upstream.url, poll="1h")
    pulled.commit("print('one')")
    pulled.home.up()
    with zipfile.ZipFile(pulled.home.root / "new.zip", "w") as archive:
        archive.writestr("etl/main.py", "print('packed')\n")
        archive.writestr("etl/jobs.d/load.yaml", EVERY_SECOND)
    (pulled.home.root / "new.zip").rename(pulled.home.root / "projects" / "etl.zip")
    until(lambda: b"packed\n" in pulled.outputs("etl/load"))
    assert pulled.home.ended("etl/load")[0]["revision"].startswith("sha256:")


def test_revisions_that_nothing_needs_are_removed(pulled: Pulled) -> None:
    kept = pulled.home.root / ".windmill" / "revisions" / "reports"
    for number in range(5):
        pulled.commit(f"print({number})", nightly="entry_point: main.py\n")
        pulled.home.cli("sync")
        for tree in kept.iterdir():
            os.utime(tree, (0, 0))
    assert len([path for path in kept.iterdir() if path.is_dir()]) <= 4


def test_a_job_of_the_home_that_never_worked_holds_up_no_revision(pulled: Pulled) -> None:
    pulled.home.job("typo", "project: reports\nentry_point: mian.py\n")
    first = pulled.commit("print('one')")
    pulled.home.cli("sync")
    second = pulled.commit("print('two')")
    pulled.home.cli("sync")
    assert first != second == pulled.live()


def test_a_revision_without_the_code_of_a_job_of_the_home_does_not_go_live(pulled: Pulled) -> None:
    pulled.home.job("main", "project: reports\nentry_point: main.py\n")
    first = pulled.commit("print('one')")
    pulled.home.cli("sync")
    (pulled.upstream.path / "main.py").unlink()
    pulled.upstream.commit({"other.py": "print('two')"})
    assert "jobs.d/main.yaml" in pulled.home.cli("sync", check=False).stderr
    assert pulled.live() == first


def test_a_job_in_a_group_that_nobody_made_does_not_go_live(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\ngroup: warehouse\n")
    assert 'no group "warehouse"' in pulled.home.cli("sync", check=False).stderr
    pulled.point_at(pulled.upstream.url, "[groups]\nwarehouse = 1")
    pulled.home.cli("sync")
    assert pulled.live() == pulled.upstream.head()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_a_commit_with_thousands_of_mistakes_leaves_what_is_live(pulled: Pulled) -> None:
    first = pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.cli("sync")
    wrong = "---\n".join(f"name: j{number}\nentry_point: missing/{number}.py\n" for number in range(2000))
    pulled.commit("print('two')", many=wrong)
    pulled.home.cli("sync", check=False)
    assert pulled.live() == first
    assert pulled.row()["attempted"]["outcome"] == "refused"
    assert (pulled.home.root / ".windmill" / "projects" / "reports.json").stat().st_size < 1 << 20


def test_a_revision_that_was_deleted_comes_back_by_itself(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    revisions = pulled.home.root / ".windmill" / "revisions"
    revisions.rename(pulled.home.root / "gone")
    known = len(pulled.outputs())
    until(lambda: len(pulled.outputs()) > known + 1)


def test_up_once_syncs_before_it_does_what_is_due(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.cli("up", "--once")
    pulled.commit("print('two')")
    pulled.home.cli("up", "--once")
    assert pulled.live() == pulled.upstream.head()


def test_a_job_file_that_is_renamed_and_broken_at_once_waits_for_a_person(pulled: Pulled) -> None:
    jobs = dict.fromkeys(("nightly", "daily", "weekly"), "entry_point: main.py\n")
    first = pulled.commit("print('one')", **jobs)
    pulled.home.cli("sync")
    pulled.commit("print('one')", nightly="", renamed="entry_point: main.py\nschdule: x\n")
    assert "reports/nightly" in pulled.home.cli("sync", check=False).stderr
    assert pulled.live() == first


def test_jobs_that_move_to_the_home_are_not_removed(pulled: Pulled) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\n", daily="entry_point: main.py\n")
    pulled.home.cli("sync")
    for name in ("nightly", "daily"):
        pulled.home.job(name, "project: reports\nentry_point: main.py\n")
    pulled.commit("print('two')", nightly="", daily="")
    pulled.home.cli("sync")
    assert pulled.live() == pulled.upstream.head()


def test_what_keeps_a_sync_from_a_verdict_is_told_where_people_look(pulled: Pulled) -> None:
    pulled.commit("print('one')")
    pulled.point_at(pulled.upstream.url, 'token = {from_file = "nowhere"}')
    pulled.home.cli("sync", check=False)
    assert "nowhere" in pulled.row()["error"]
    assert "nowhere" in pulled.home.cli("problems", check=False).stdout


def test_a_token_lies_relative_to_the_home(pulled: Pulled) -> None:
    commit = pulled.commit("print('one')")
    (pulled.home.root / "token").write_text("hunter2-of-reports\n")
    with http_server(pulled.upstream.path.parent, password="hunter2-of-reports") as base:
        pulled.point_at(f"{base}/upstream", 'token = {from_file = "token"}')
        pulled.home.cli("sync")
    assert pulled.live() == commit
