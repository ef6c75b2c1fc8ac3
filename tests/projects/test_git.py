from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.git_server import (
    ENVIRON,
    Upstream,
    endless,
    garbage,
    git_daemon,
    http_server,
    kill_those_of,
    mute,
    server,
)
from tests.support.proxy import Proxy
from windmill.core.errors import Refused
from windmill.projects.git import Mirror
from windmill.projects.source import Remote, SourceError

TIMEOUT = 30.0


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    upstream = Upstream(tmp_path / "served" / "reports")
    upstream.commit({"main.py": "print(1)\n"}, "first")
    return upstream


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def mirror(tmp_path: Path, said: list[str]) -> Mirror:
    return Mirror(tmp_path / "mirrors" / "reports.git", environ=ENVIRON, say=said.append)


def fetch(mirror: Mirror, url: str, ref: str = "main", *, timeout: float = TIMEOUT, max_bytes: int = 1 << 30) -> str:
    return mirror.fetch(Remote(url=url, ref=ref), timeout=timeout, max_bytes=max_bytes)


def failure(mirror: Mirror, url: str, ref: str = "main", *, timeout: float = TIMEOUT) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch(mirror, url, ref, timeout=timeout)
    return caught.value


def exported(mirror: Mirror, commit: str, target: Path) -> dict[str, str]:
    target.mkdir()
    mirror.export(commit, target)
    return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}


def damage(mirror: Mirror) -> None:
    (mirror.path / "config").write_text("[core\nbroken")


@pytest.fixture(params=["file", "git", "http"])
def url(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[str]:
    base = upstream.path.parent
    if request.param == "git":
        with git_daemon(base) as place:
            yield f"{place}/reports/.git"
    elif request.param == "http":
        with http_server(base) as place:
            yield f"{place}/reports/.git"
    else:
        yield "file://" + upstream.url


def test_a_branch_is_fetched_again_and_again(mirror: Mirror, url: str, upstream: Upstream, tmp_path: Path) -> None:
    commits = [fetch(mirror, url), upstream.commit({"main.py": "print(2)\n"}), fetch(mirror, url)]
    assert commits[1] == commits[2]
    assert exported(mirror, commits[0], tmp_path / "old") == {"main.py": "print(1)\n"}
    assert exported(mirror, commits[2], tmp_path / "new") == {"main.py": "print(2)\n"}


def test_a_commit_is_fetched_by_its_name(mirror: Mirror, url: str, upstream: Upstream) -> None:
    first = upstream.head()
    upstream.commit()
    assert fetch(mirror, url, first) == first


def test_a_commit_the_server_does_not_hand_out_is_found_among_the_branches(
    mirror: Mirror, upstream: Upstream, said: list[str]
) -> None:
    first = upstream.head()
    upstream.commit()
    with http_server(upstream.path.parent, old=True) as place:
        assert fetch(mirror, f"{place}/reports/.git", first) == first
    assert any("unadvertised object" in line for line in said)


def test_a_commit_at_hand_needs_no_server(mirror: Mirror, upstream: Upstream) -> None:
    commit = fetch(mirror, upstream.url)
    assert fetch(mirror, "http://127.0.0.1:1/x", commit) == commit


def test_a_commit_that_is_nowhere_is_said(mirror: Mirror, upstream: Upstream) -> None:
    error = failure(mirror, upstream.url, "a" * 40)
    assert (error.kind, "has no commit" in str(error)) == ("ref", True)


def test_an_annotated_tag_gives_the_commit_it_is_on(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("tag", "-a", "v1", "-m", "first")
    assert fetch(mirror, upstream.url, "v1") == upstream.head()


def test_a_moved_tag_gives_the_commit_it_is_on_now(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("tag", "live")
    first = fetch(mirror, upstream.url, "live")
    second = upstream.commit()
    upstream.git("tag", "-f", "live")
    assert (fetch(mirror, upstream.url, "live"), first) == (second, upstream.git("rev-parse", "HEAD~1"))


def test_a_tag_on_something_else_than_a_commit_is_said(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("tag", "text", upstream.blob("x"))
    assert failure(mirror, upstream.url, "text").kind == "ref"


def test_a_forced_push_is_taken_and_told(mirror: Mirror, upstream: Upstream, said: list[str]) -> None:
    old = upstream.commit({"main.py": "print(2)\n"})
    fetch(mirror, upstream.url)
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    new = upstream.commit({"main.py": "print(3)\n"})
    assert fetch(mirror, upstream.url) == new
    assert f"main was rewritten: {old[:12]} is no longer part of it" in said


def test_what_a_forced_push_left_behind_can_still_be_exported(
    mirror: Mirror, upstream: Upstream, tmp_path: Path
) -> None:
    old = upstream.commit({"main.py": "print(2)\n"})
    fetch(mirror, upstream.url)
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    fetch(mirror, upstream.url)
    assert exported(mirror, old, tmp_path / "old") == {"main.py": "print(2)\n"}


def test_an_ordinary_push_is_no_rewriting(mirror: Mirror, upstream: Upstream, said: list[str]) -> None:
    fetch(mirror, upstream.url)
    upstream.commit()
    fetch(mirror, upstream.url)
    assert not any("rewritten" in line for line in said)


def test_a_deleted_branch_is_said(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("branch", "live")
    fetch(mirror, upstream.url, "live")
    upstream.git("branch", "-D", "live")
    assert failure(mirror, upstream.url, "live").kind == "ref"


def test_a_branch_may_become_a_directory_of_branches(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("branch", "live")
    fetch(mirror, upstream.url, "live")
    upstream.git("branch", "-D", "live")
    upstream.git("branch", "live/one")
    assert fetch(mirror, upstream.url, "live/one") == upstream.head()


@pytest.mark.parametrize("behaviour", [mute, garbage, endless])
def test_a_bad_server_is_a_trouble_of_the_network(mirror: Mirror, behaviour: object) -> None:
    with server(behaviour) as port:  # type: ignore[arg-type]  # a function out of three
        assert failure(mirror, f"git://127.0.0.1:{port}/x", timeout=1.5).kind == "network"


def test_a_server_that_falls_silent_in_the_middle_is_given_up(mirror: Mirror, upstream: Upstream) -> None:
    upstream.commit({"big": os.urandom(1 << 20).hex()})
    with git_daemon(upstream.path.parent) as place, Proxy(int(place.rpartition(":")[2])) as proxy:
        proxy.throttle(100_000)
        error = failure(mirror, f"git://127.0.0.1:{proxy.port}/reports/.git", timeout=2)
    assert error.kind == "network"


def test_what_was_left_in_the_middle_is_fetched_later(mirror: Mirror, upstream: Upstream) -> None:
    upstream.commit({"big": os.urandom(1 << 20).hex()})
    with git_daemon(upstream.path.parent) as place, Proxy(int(place.rpartition(":")[2])) as proxy:
        proxy.throttle(100_000)
        failure(mirror, f"git://127.0.0.1:{proxy.port}/reports/.git", timeout=2)
        assert fetch(mirror, f"{place}/reports/.git") == upstream.head()
    assert not list(mirror.path.glob("objects/pack/tmp_*"))


def test_more_than_is_allowed_is_refused(mirror: Mirror, upstream: Upstream) -> None:
    upstream.commit({"big": os.urandom(1 << 20).hex()})
    with pytest.raises(SourceError) as caught:
        fetch(mirror, upstream.url, max_bytes=100_000)
    assert caught.value.kind == "refused"


def test_a_hostile_remote_is_refused_before_git_sees_it(mirror: Mirror, upstream: Upstream, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    kinds = {
        failure(mirror, f"ext::sh -c touch% {witness}").kind,
        failure(mirror, f"--upload-pack=touch {witness}").kind,
        failure(mirror, upstream.url, f"--upload-pack=touch {witness}").kind,
    }
    assert (kinds, witness.exists()) == ({"refused"}, False)


def test_our_own_environment_does_not_reach_git(
    mirror: Mirror, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_TRACE", "GIT_TRACE_PACKET"):
        monkeypatch.setenv(name, str(tmp_path / "witness"))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    fetch(mirror, upstream.url)
    assert not (tmp_path / "witness").exists()


def test_git_speaks_to_people_without_credentials(upstream: Upstream, mirror: Mirror, said: list[str]) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        fetch(mirror, place.replace("://", "://ada:hunter22@") + "/reports/.git")
    assert said
    assert not any("hunter22" in line for line in said)


def test_what_a_server_says_is_masked(mirror: Mirror, tmp_path: Path, said: list[str]) -> None:
    Upstream(tmp_path / "served" / "hunter22").commit()
    with http_server(tmp_path / "served") as place:
        mirror.fetch(Remote(url=f"{place}/hunter22/.git", token="hunter22"), timeout=TIMEOUT)
    assert any("***" in line for line in said)
    assert not any("hunter22" in line for line in said)


def test_the_mirror_keeps_no_credentials(upstream: Upstream, mirror: Mirror) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        fetch(mirror, place.replace("://", "://ada:hunter22@") + "/reports/.git")
    assert not [file for file in mirror.path.rglob("*") if file.is_file() and b"hunter22" in file.read_bytes()]


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "HEAD").unlink(),
        lambda path: (path / "HEAD").write_text("garbage"),
        lambda path: (path / "config").write_text("[core\nbroken"),
        lambda path: next((path / "refs" / "windmill").iterdir()).write_text("garbage\n"),
        lambda path: next((path / "refs" / "windmill").iterdir()).with_suffix(".lock").touch(),
        lambda path: (path / "packed-refs").write_text("garbage\n"),
        lambda path: [pack.unlink() for pack in path.glob("objects/pack/*.pack")],
        lambda path: [(pack.unlink(), pack.write_bytes(b"")) for pack in path.glob("objects/pack/*.pack")],
        lambda path: [(pack.unlink(), pack.write_bytes(b"x" * 999)) for pack in path.glob("objects/pack/*.idx")],
        lambda path: (path / "objects" / "pack").rename(path / "elsewhere"),
        lambda path: (path / "windmill.index.lock").touch(),
    ],
)
def test_a_damaged_mirror_is_mended(mirror: Mirror, upstream: Upstream, tmp_path: Path, harm: object) -> None:
    fetch(mirror, upstream.url)
    harm(mirror.path)  # type: ignore[operator]  # a function of the path
    new = upstream.commit({"main.py": "print(2)\n"})
    assert fetch(mirror, upstream.url) == new
    assert exported(mirror, new, tmp_path / "new") == {"main.py": "print(2)\n"}


def test_an_object_lost_after_the_fetch_is_mended(mirror: Mirror, upstream: Upstream, tmp_path: Path) -> None:
    commit = fetch(mirror, upstream.url)
    for pack in mirror.path.glob("objects/pack/*.pack"):
        whole = pack.read_bytes()
        pack.unlink()
        pack.write_bytes(whole[:-60] + b"\0" * 60)
    assert exported(mirror, commit, tmp_path / "new") == {"main.py": "print(1)\n"}


def test_a_damaged_mirror_stays_till_another_is_there(mirror: Mirror, upstream: Upstream) -> None:
    kept = upstream.commit({"big": os.urandom(1 << 20).hex()})
    fetch(mirror, upstream.url)
    damage(mirror)
    with pytest.raises(SourceError, match="too large"):
        fetch(mirror, upstream.url, max_bytes=100_000)
    (mirror.path / "config").write_text("")
    assert mirror.facts(kept).sha == kept
    assert list(mirror.path.parent.iterdir()) == [mirror.path]


def test_a_mirror_without_its_head_stays_till_another_is_there(mirror: Mirror, upstream: Upstream) -> None:
    kept = fetch(mirror, upstream.url)
    head = (mirror.path / "HEAD").read_text()
    (mirror.path / "HEAD").unlink()
    failure(mirror, f"file://{upstream.path}-moved")
    (mirror.path / "HEAD").write_text(head)
    assert mirror.facts(kept).sha == kept


def test_only_the_mended_mirror_is_left(mirror: Mirror, upstream: Upstream) -> None:
    fetch(mirror, upstream.url)
    damage(mirror)
    fetch(mirror, upstream.url)
    assert list(mirror.path.parent.iterdir()) == [mirror.path]


def test_what_a_killed_mending_left_is_taken_away(mirror: Mirror, upstream: Upstream) -> None:
    for left in ("reports.git.new", "reports.git.old"):
        (mirror.path.parent / left / "objects").mkdir(parents=True)
    fetch(mirror, upstream.url)
    assert list(mirror.path.parent.iterdir()) == [mirror.path]


def test_a_broken_network_does_not_cost_the_mirror(mirror: Mirror, upstream: Upstream, tmp_path: Path) -> None:
    commit = fetch(mirror, upstream.url)
    failure(mirror, "git://127.0.0.1:1/x")
    assert exported(mirror, commit, tmp_path / "new") == {"main.py": "print(1)\n"}


def test_a_fetch_killed_at_any_moment_is_made_good(mirror: Mirror, upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({f"{number}.txt": os.urandom(2000).hex() for number in range(300)})
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from windmill.projects.git import Mirror\n"
        "from windmill.projects.source import Remote\n"
        "mirror = Mirror(Path(sys.argv[1]), environ=os.environ, say=print)\n"
        "commit = mirror.fetch(Remote(url=sys.argv[2]), timeout=30)\n"
        "print('fetched', flush=True)\n"
        "os.mkdir(sys.argv[3])\n"
        "mirror.export(commit, Path(sys.argv[3]))\n"
        "print('exported', flush=True)\n"
    )
    for number, pause in enumerate((0.12, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)):
        target = tmp_path / f"export-{number}"
        arguments = [sys.executable, "-c", code, str(mirror.path), upstream.url, str(target)]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as child:
            time.sleep(pause)  # any moment will do: that is the point
            child.kill()
            kill_those_of(mirror.path)
    commit = fetch(mirror, upstream.url)
    assert len(exported(mirror, commit, tmp_path / "whole")) == 301


def test_facts_of_a_commit(mirror: Mirror, upstream: Upstream) -> None:
    upstream.git("commit", "-q", "--allow-empty", "-m", "Olá\n\nbody", GIT_COMMITTER_DATE="2026-01-02T03:04:05+02:00")
    facts = mirror.facts(fetch(mirror, upstream.url))
    assert (facts.author, facts.subject, facts.at) == (
        "Ada <ada@example.com>",
        "Olá",
        datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC),
    )


def test_hostile_facts_stay_one_short_line(mirror: Mirror, upstream: Upstream) -> None:
    upstream.commit({}, "x\x1b[31m" + "y" * 500)
    facts = mirror.facts(fetch(mirror, upstream.url))
    assert (facts.subject.isprintable(), len(facts.subject)) == (True, 200)


def test_the_commits_between_two_with_what_they_touched(mirror: Mirror, upstream: Upstream) -> None:
    old = upstream.head()
    upstream.commit({"a b/ç.py": "1", "x.py": "1"}, "second")
    upstream.commit({}, "empty")
    upstream.commit({"x.py": "2"}, "third")
    found = mirror.log(old, fetch(mirror, upstream.url), limit=10)
    assert [(commit.subject, commit.paths) for commit in found] == [
        ("third", ("x.py",)),
        ("empty", ()),
        ("second", ("a b/ç.py", "x.py")),
    ]


def test_no_more_commits_than_wanted(mirror: Mirror, upstream: Upstream) -> None:
    old = upstream.head()
    for number in range(4):
        upstream.commit({}, str(number))
    assert [commit.subject for commit in mirror.log(old, fetch(mirror, upstream.url), limit=2)] == ["3", "2"]


def test_the_commits_of_a_directory_only(mirror: Mirror, upstream: Upstream) -> None:
    old = upstream.head()
    upstream.commit({"jobs/x.py": "1"}, "inside")
    upstream.commit({"other.py": "1"}, "outside")
    found = mirror.log(old, fetch(mirror, upstream.url), limit=9, path="jobs")
    assert [commit.subject for commit in found] == ["inside"]


def test_a_commit_that_is_not_here_has_no_commits_after_it(mirror: Mirror, upstream: Upstream) -> None:
    assert mirror.log("a" * 40, fetch(mirror, upstream.url), limit=9) == []


def test_who_removed_a_file(mirror: Mirror, upstream: Upstream) -> None:
    old = upstream.commit({"jobs.d/x.yaml": "1"})
    upstream.git("rm", "-q", "jobs.d/x.yaml")
    removal = upstream.commit({}, "Drop x")
    upstream.commit({}, "later")
    found = mirror.last_removal(old, fetch(mirror, upstream.url), "jobs.d/x.yaml")
    assert found is not None
    assert (found.sha, found.subject) == (removal, "Drop x")


def test_a_file_nobody_removed_has_no_removal(mirror: Mirror, upstream: Upstream) -> None:
    old = upstream.head()
    upstream.commit({"main.py": "2"})
    assert mirror.last_removal(old, fetch(mirror, upstream.url), "main.py") is None


@pytest.mark.parametrize("commit", ["main", "-x", "--output=witness", "a" * 39, "HEAD", "a" * 40 + "^"])
def test_only_a_full_commit_names_a_commit(mirror: Mirror, upstream: Upstream, commit: str, tmp_path: Path) -> None:
    head = fetch(mirror, upstream.url)
    (tmp_path / "target").mkdir()
    for use in (
        lambda: mirror.export(commit, tmp_path / "target"),
        lambda: mirror.facts(commit),
        lambda: mirror.verify(commit, allowed_signers=None, gpg_home=None),
        lambda: mirror.log(head, commit, limit=1),
        lambda: mirror.last_removal(commit, head, "main.py"),
    ):
        with pytest.raises(Refused, match="is no full commit"):
            use()
