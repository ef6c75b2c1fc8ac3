from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.git_server import (
    ENVIRON,
    Upstream,
    endless,
    garbage,
    git_daemon,
    http_server,
    mute,
    redirect,
    server,
)
from tests.support.waiting import until
from windmill.projects.poll import look_up, remote_commit
from windmill.projects.source import Remote, SourceError

TIMEOUT = 20.0


def ask(url: str, ref: str = "main", *, timeout: float = TIMEOUT, token: str | None = None) -> str:
    return remote_commit(Remote(url=url, ref=ref, token=token), environ=ENVIRON, timeout=timeout)


def failure(url: str, ref: str = "main", *, timeout: float = TIMEOUT, token: str | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        ask(url, ref, timeout=timeout, token=token)
    return caught.value


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    upstream = Upstream(tmp_path / "served" / "reports")
    upstream.commit({"main.py": "print(1)"})
    return upstream


@pytest.fixture(params=["path", "file", "git", "http"])
def url(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[str]:
    base = upstream.path.parent
    if request.param == "git":
        with git_daemon(base) as place:
            yield f"{place}/reports/.git"
    elif request.param == "http":
        with http_server(base) as place:
            yield f"{place}/reports/.git"
    else:
        yield ("file://" if request.param == "file" else "") + upstream.url


def test_a_branch_names_its_commit_over_every_protocol(url: str, upstream: Upstream) -> None:
    assert ask(url) == upstream.head()


def test_a_missing_branch_is_said_over_every_protocol(url: str) -> None:
    error = failure(url, "nowhere")
    assert (error.kind, 'has no branch or tag "nowhere"' in str(error)) == ("ref", True)


def test_a_lightweight_tag_names_its_commit(upstream: Upstream) -> None:
    upstream.git("tag", "v1")
    assert ask(upstream.url, "v1") == upstream.head()


def test_an_annotated_tag_names_the_commit_it_is_on(upstream: Upstream) -> None:
    upstream.git("tag", "-a", "v1", "-m", "first")
    assert ask(upstream.url, "v1") == upstream.head()


def test_a_branch_counts_before_a_tag_of_its_name(upstream: Upstream) -> None:
    upstream.git("tag", "both")
    upstream.git("checkout", "-q", "-b", "both")
    newer = upstream.commit()
    assert ask(upstream.url, "both") == newer


def test_a_full_ref_is_taken_literally(upstream: Upstream) -> None:
    upstream.git("update-ref", "refs/pull/1/head", "HEAD")
    assert look_up(Remote(url=upstream.url, ref="refs/pull/1/head"), environ=ENVIRON, timeout=TIMEOUT) == (
        "refs/pull/1/head",
        upstream.head(),
    )


def test_head_is_what_the_server_says(upstream: Upstream) -> None:
    assert ask(upstream.url, "HEAD") == upstream.head()


def test_a_longer_name_with_the_same_end_is_not_taken(upstream: Upstream) -> None:
    upstream.git("update-ref", "refs/heads/x/refs/heads/release", "HEAD")
    assert failure(upstream.url, "release").kind == "ref"


def test_a_commit_is_returned_without_asking() -> None:
    assert ask("https://nowhere.invalid/x", "a" * 40) == "a" * 40


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch witness'", "--upload-pack=touch witness", "ssh://-oProxyCommand=x/y"]
)
def test_a_hostile_address_never_reaches_git(url: str, tmp_path: Path) -> None:
    assert failure(url.replace("witness", str(tmp_path / "witness"))).kind == "refused"
    assert not (tmp_path / "witness").exists()


def test_a_hostile_address_is_refused_for_a_commit_too() -> None:
    assert failure("ext::sh", "a" * 40).kind == "refused"


def test_a_hostile_ref_never_reaches_git(upstream: Upstream, tmp_path: Path) -> None:
    assert failure(upstream.url, f"--upload-pack=touch {tmp_path}/witness").kind == "refused"
    assert not (tmp_path / "witness").exists()


def test_nobody_listening_is_a_trouble_of_the_network() -> None:
    error = failure("http://127.0.0.1:1/x")
    assert (error.kind, "Failed to connect to 127.0.0.1 port 1" in str(error)) == ("network", True)


def test_a_missing_repository_is_no_trouble_of_the_network(tmp_path: Path) -> None:
    assert failure(str(tmp_path / "nothing")).kind == "auth"


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_mute_server_is_given_up_at_the_deadline(scheme: str) -> None:
    with server(mute) as port:
        error = failure(f"{scheme}://127.0.0.1:{port}/x", timeout=0.5)
    assert (error.kind, "no answer within 0.5 s" in str(error)) == ("network", True)


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_garbage_is_a_trouble_of_the_network(scheme: str) -> None:
    with server(garbage) as port:
        error = failure(f"{scheme}://127.0.0.1:{port}/x")
    assert (error.kind, "\x1b" in str(error)) == ("network", False)


def test_a_server_that_never_stops_is_stopped() -> None:
    with server(endless) as port:
        error = failure(f"git://127.0.0.1:{port}/x", timeout=2)
    assert error.kind == "network"


def test_nothing_of_git_is_left_after_the_deadline() -> None:
    with server(mute) as port:
        failure(f"http://127.0.0.1:{port}/x", timeout=0.3)
        assert not _processes(f"127.0.0.1:{port}")


def test_nothing_of_git_is_left_when_the_one_who_asked_is_killed() -> None:
    code = (
        "import os, sys\n"
        "from windmill.projects.poll import remote_commit\n"
        "from windmill.projects.source import Remote\n"
        "remote_commit(Remote(url=sys.argv[1]), environ=os.environ, timeout=1)"
    )
    with server(mute) as port:
        place = f"http://127.0.0.1:{port}/x"
        with subprocess.Popen([sys.executable, "-c", code, place]) as asker:
            until(lambda: len(_processes(place)) > 1, what="git asks")
            asker.kill()
        until(lambda: not _processes(place), what="git is gone")


def test_a_password_nobody_knows_is_said_at_once(upstream: Upstream) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        error = failure(f"{place}/reports/.git")
    assert (error.kind, "could not read Username" in str(error)) == ("auth", True)


def test_a_wrong_password_is_said_without_it(upstream: Upstream) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        error = failure(place.replace("://", "://ada:wrong-one@") + "/reports/.git")
    assert (error.kind, "Authentication failed" in str(error), "wrong-one" in str(error)) == ("auth", True, False)


def test_the_password_of_the_address_is_used(upstream: Upstream) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        assert ask(place.replace("://", "://ada:hunter22@") + "/reports/.git") == upstream.head()


def test_the_token_is_used(upstream: Upstream) -> None:
    with http_server(upstream.path.parent, password="hunter22") as place:
        assert ask(f"{place}/reports/.git", token="hunter22") == upstream.head()


def test_a_server_that_does_not_ask_gets_no_token(upstream: Upstream) -> None:
    seen: list[str] = []
    with http_server(upstream.path.parent, seen=seen) as place:
        ask(f"{place}/reports/.git", token="hunter22")
    assert set(seen) == {""}


def test_a_server_we_are_sent_on_to_gets_no_token(upstream: Upstream) -> None:
    seen: list[str] = []
    with (
        http_server(upstream.path.parent, password="hunter22", seen=seen) as other,
        server(redirect(other)) as port,
    ):
        error = failure(f"http://127.0.0.1:{port}/reports/.git", token="hunter22")
    assert (error.kind, set(seen)) == ("auth", {""})


def test_no_process_shows_the_password_in_its_arguments() -> None:
    with server(mute) as port:
        place = f"http://ada:hunter22@127.0.0.1:{port}/x"
        asking = threading.Thread(target=failure, args=(place,), kwargs={"timeout": 2.0})
        asking.start()
        until(lambda: _processes(f"127.0.0.1:{port}/x"), what="git asks")
        assert not _processes("hunter22")
        asking.join()


def test_git_that_is_not_installed_is_said(upstream: Upstream, tmp_path: Path) -> None:
    for program in ("sh", "timeout"):
        (tmp_path / program).symlink_to(Path("/usr/bin") / program)
    with pytest.raises(SourceError, match="git: not found") as caught:
        remote_commit(Remote(url=upstream.url), environ={"PATH": str(tmp_path)}, timeout=TIMEOUT)
    assert caught.value.kind == "refused"


def _processes(text: str) -> list[int]:
    """Return the processes with this text in their arguments, but for the ones of the tests."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(text.encode() in word for word in words) and b"git" in b" ".join(words) and b"-c" not in words[1:2]:
            found.append(int(process.name))
    return found
