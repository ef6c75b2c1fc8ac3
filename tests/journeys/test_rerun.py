"""Running again exactly what ran: from a repository, after its revision was collected, and after edits at home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.git_server import Upstream
from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.scripts import Gate
from tests.support.waiting import until
from windmill.core.documents import Document

SCRIPT = "import pathlib, sys\nprint('{word}', pathlib.Path('fact.txt').read_text(), *sys.argv[1:])\n"
JOB = "entry_point: main.py\nargs: [{word}, '${{params.day}}']\nparams: [{{name: day, default: monday}}]\n"


def state(word: str) -> dict[str, str]:
    """Return the files of a commit in which everything says `word`."""
    return {
        "main.py": SCRIPT.format(word=word),
        "fact.txt": f"fact-{word}",
        "jobs.d/job.yaml": JOB.format(word=f"--{word}"),
    }


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    upstream = Upstream(tmp_path / "upstream")
    upstream.commit(state("a"), "Say a")
    return upstream


@pytest.fixture
def pulled(tmp_path: Path, upstream: Upstream) -> Iterator[Live]:
    """A home whose project r is pulled from the repository, and nothing else."""
    with Live(tmp_path / "home", f'[projects.r]\ngit = "file://{upstream.path}"\npoll = "1h"\n') as live:
        yield live


def last(live: Live, job: str) -> Document:
    """Return the newest execution of the job once it is in the store."""
    return live.ended(job)[-1]


def run_a_then_publish_b(live: Live, upstream: Upstream) -> Document:
    """Return the execution of commit a, after commit b went live."""
    live.cli("sync", "r")
    live.cli("run", "r/job", "-p", "day=friday")
    ran = last(live, "r/job")
    upstream.commit(state("b"), "Say b")
    live.cli("sync", "r")
    return ran


@pytest.mark.parametrize("served", [True, False])
def test_a_rerun_runs_the_commit_the_definition_and_the_params_of_then(
    pulled: Live, upstream: Upstream, served: bool
) -> None:
    if served:
        pulled.up()
    ran = run_a_then_publish_b(pulled, upstream)
    assert pulled.cli("rerun", ran["id"]).stdout == "a fact-a --a friday\n"
    again = last(pulled, "r/job")
    same = ("revision", "author", "subject", "job_digest", "params")
    assert {name: again[name] for name in same} == {name: ran[name] for name in same}
    assert (again["retry_of"], again["author"], again["subject"]) == (ran["id"], "Ada <ada@example.com>", "Say a")


@pytest.mark.parametrize("how", [[], ["--head"]])
def test_a_rerun_may_be_given_other_params_than_then(pulled: Live, upstream: Upstream, how: list[str]) -> None:
    pulled.up()
    pulled.cli("sync", "r")
    pulled.cli("run", "r/job", "-p", "day=friday")
    ran = last(pulled, "r/job")
    assert pulled.cli("rerun", *how, ran["id"], "-p", "day=sunday").stdout == "a fact-a --a sunday\n"
    again = last(pulled, "r/job")
    assert (again["params"], again["retry_of"]) == ({"day": "sunday"}, ran["id"])
    refused = pulled.cli("rerun", *how, ran["id"], "-p", "hour=3", check=False)
    assert refused.returncode == 1
    assert 'unknown parameter "hour"' in refused.stderr


def test_a_rerun_of_the_head_runs_the_job_as_it_stands(pulled: Live, upstream: Upstream) -> None:
    pulled.up()
    ran = run_a_then_publish_b(pulled, upstream)
    until(lambda: pulled.json("show", "r/job")["job"]["digest"] != ran["job_digest"])
    assert pulled.cli("rerun", "--head", ran["id"]).stdout == "b fact-b --b friday\n"
    again = last(pulled, "r/job")
    assert again["revision"] == f"main@sha1:{upstream.head()}"
    assert again["job_digest"] != ran["job_digest"]


@pytest.mark.parametrize("served", [True, False])
def test_a_revision_that_is_no_longer_on_disk_is_made_available_again_first(
    pulled: Live, upstream: Upstream, served: bool
) -> None:
    if served:
        pulled.up()
    ran = run_a_then_publish_b(pulled, upstream)
    collect(pulled, ran)
    assert pulled.json("show", ran["id"])["exact"]["possible"]
    done = pulled.cli("rerun", ran["id"])
    assert done.stdout == "a fact-a --a friday\n"
    assert "made available again" in done.stderr
    assert last(pulled, "r/job")["revision"] == ran["revision"]


def test_a_revision_comes_back_also_where_the_mirror_was_lost(pulled: Live, upstream: Upstream) -> None:
    ran = run_a_then_publish_b(pulled, upstream)
    collect(pulled, ran)
    shutil.rmtree(pulled.root / ".windmill" / "mirrors")
    assert pulled.cli("rerun", ran["id"]).stdout == "a fact-a --a friday\n"


def test_a_commit_that_nobody_has_any_more_is_refused_in_words(pulled: Live, upstream: Upstream) -> None:
    ran = run_a_then_publish_b(pulled, upstream)
    collect(pulled, ran)
    shutil.rmtree(pulled.root / ".windmill" / "mirrors")
    upstream.git("checkout", "-q", "--orphan", "new")
    upstream.commit(state("c"), "Say c")
    upstream.git("branch", "-D", "main")
    upstream.git("branch", "-m", "main")
    upstream.git("reflog", "expire", "--expire=now", "--all")
    upstream.git("gc", "-q", "--prune=now")
    refused = pulled.cli("rerun", ran["id"], check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot be made available again" in refused.stderr
    assert "--head" in refused.stderr


def collect(live: Live, ran: Document) -> None:
    """Remove the revision as its collection does."""
    key = ran["revision"].rpartition(":")[2][:40]
    tree = live.root / ".windmill" / "revisions" / ran["project"] / key
    tree.chmod(0o700)
    for path in tree.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(tree)
    tree.with_suffix(".json").unlink()


@pytest.mark.parametrize("crash", [False, True])
def test_a_job_file_at_home_that_was_edited_since_counts_as_it_was(live: Live, crash: bool) -> None:
    live.script("main.py", "import sys\nprint(*sys.argv[1:])\n")
    live.job("job", JOB.format(word="then"))
    live.up()
    until(lambda: live.json("jobs"))
    live.cli("run", "job")
    if crash:
        live.kill()
    live.job("job", JOB.format(word="now"))
    if crash:
        live.up()
    ran = last(live, "p/job")
    until(lambda: live.json("show", "job")["job"]["digest"] != ran["job_digest"])
    done = live.cli("rerun", ran["id"])
    assert done.stdout == "then monday\n"
    assert "used in place" in done.stderr
    assert last(live, "p/job")["job_digest"] == ran["job_digest"]
    assert live.cli("rerun", "--head", ran["id"]).stdout == "now monday\n"


def test_what_ran_while_the_store_was_away_counts_as_it_was_although_it_was_edited_since(
    tmp_path: Path,
) -> None:
    with MongoServer(tmp_path / "server") as server, Live(tmp_path / "home", server=server) as live:
        live.script("main.py", "import sys\nprint(*sys.argv[1:])\n")
        live.job("job", JOB.format(word="then"))
        server.freeze()
        live.cli("run", "job")
        live.job("job", JOB.format(word="now"))
        server.thaw()
        live.up()
        until(lambda: live.ended("p/job"))
        assert live.cli("rerun", last(live, "p/job")["id"]).stdout == "then monday\n"


def test_an_archive_of_then_runs_until_it_is_collected(live: Live) -> None:
    for word in ("a", "b"):
        with ZipFile(live.root / "projects" / "z.zip", "w") as archive:
            for name, text in state(word).items():
                archive.writestr(name, text)
        live.cli("sync", "z")
        live.cli("run", "z/job")
    ran, _ = live.ended("z/job")
    assert live.cli("rerun", ran["id"]).stdout == "a fact-a --a monday\n"
    collect(live, ran)
    refused = live.cli("rerun", ran["id"], check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "its archive was replaced" in refused.stderr


def test_an_exact_rerun_is_refused_while_the_job_runs(live: Live, gate: Gate) -> None:
    live.up()
    until(lambda: live.json("jobs"))
    live.cli("run", "-d", "gated")
    gate.open()
    until(lambda: live.ended("p/gated"))
    ran = last(live, "p/gated")
    gate.path.unlink()
    running = live.cli("rerun", "-d", ran["id"]).stdout.strip()
    refused = live.cli("rerun", ran["id"], check=False)
    gate.open()
    assert (refused.returncode, running in refused.stderr) == (1, True)


def test_show_tells_that_the_files_of_a_plain_directory_are_not_those_of_then(live: Live) -> None:
    live.script("main.py", "print('hello')\n")
    live.job("job", "entry_point: main.py\n")
    live.cli("run", "job")
    shown = live.cli("show", last(live, "p/job")["id"]).stdout
    assert "exact rerun" in shown
    assert "count as they are now" in shown
