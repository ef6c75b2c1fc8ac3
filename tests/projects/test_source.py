from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.git_server import ENVIRON
from windmill.core.errors import Refused
from windmill.projects.source import (
    Remote,
    address,
    check,
    check_ref,
    check_url,
    hardened_environment,
    is_commit,
    masked,
    shown,
)

GOOD_URLS = [
    "https://git.example.com/acme/reports.git",
    "https://git.example.com:8443/acme/reports.git",
    "https://user:p%40ss@git.example.com/acme/reports",
    "http://intranet/reports.git",
    "http://[::1]:8080/reports.git",
    "git://127.0.0.1:9418/reports",
    "ssh://git@git.example.com/acme/reports.git",
    "ssh://git@git.example.com:2222/~ada/reports.git",
    "git@git.example.com:acme/reports.git",
    "git.example.com:acme/reports.git",
    "deploy_user@host:reports",
    "file:///srv/git/reports.git",
    "/srv/git/reports.git",
    "/srv/git/with space.git",
]
BAD_URLS = [
    "",
    "x" * 3000,
    "reports.git",
    "../reports.git",
    "ext::sh -c touch% /tmp/witness",
    "ext::sh",
    "fd::17",
    "transport::https://git.example.com/x",
    "-oProxyCommand=touch witness",
    "--upload-pack=touch witness",
    "ssh://-oProxyCommand=touch witness/x",
    "ssh://-oProxyCommand=x@host/x",
    "ssh://%2doProxyCommand=x@host/x",
    "-oProxyCommand=x@host:x",
    "user@-oProxyCommand=x:path",
    "git@host:-oProxyCommand=x",
    "git@host:/-x",
    "git@host::x",
    "ssh://host/-x",
    "ssh://host",
    "ssh://host/x?y",
    "https://host/x?private_token=abcdef",
    "http://host/x#abcdef",
    "git://host/x?y",
    "https://",
    "https:///path",
    "https://host",
    "https://ho st/x",
    "https://host/a b",
    "https://host:port/x",
    "https://host/x\n--upload-pack=x",
    "https://host/x\0",
    "https://host\r\n/x",
    "https://-host/x",
    "https://[::1/x",
    "HTTPS::ext://x",
    "ftp://host/x",
    "javascript://host/x",
    "file://host/x",
    "file://",
    "file:///",
    "git+ssh://host/x",
]
BAD_REFS = [
    "",
    "-x",
    "--upload-pack=x",
    "-",
    "a..b",
    "main..other",
    "main^{commit}",
    "main~1",
    "a b",
    "a\nb",
    "a\0",
    "a:b",
    "+main:refs/heads/x",
    "refs/heads/*",
    "ma?n",
    "[a]",
    "a\\b",
    "@",
    "a@{1}",
    "/main",
    "main/",
    "a//b",
    ".hidden",
    "a/.b",
    "main.lock",
    "a.lock/b",
    "main.",
    "x" * 2000,
    "$(touch witness)",
    "`x`",
    "a;b",
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_an_address_of_a_known_form_is_taken(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_address_is_refused_in_words(url: str) -> None:
    assert check_url(url)


def test_an_option_is_called_one() -> None:
    assert check_url("--upload-pack=x") == "starts with -"


def test_whoever_writes_a_secret_into_the_query_is_told_where_it_belongs() -> None:
    mistake = check_url("https://host/x?private_token=canary")
    assert mistake == "has a ? or #, where a secret would be seen: give it as `token`"


@pytest.mark.parametrize(
    "ref", ["main", "feature/new-x", "v1.0+build", "refs/pull/1/head", "HEAD", "São-Paulo", "a" * 40]
)
def test_a_branch_tag_or_commit_is_taken(ref: str) -> None:
    assert check_ref(ref) is None


@pytest.mark.parametrize("ref", BAD_REFS)
def test_what_git_could_take_for_something_else_is_no_ref(ref: str) -> None:
    assert check_ref(ref)


@pytest.mark.parametrize("path", ["../x", "/etc", "a/../../b", "-x", "~", "a\0b", "a\\b"])
def test_a_path_out_of_the_repository_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="the path of the git source"):
        check(Remote(url="/srv/x", path=path))


def test_the_first_mistake_is_named_with_its_place() -> None:
    with pytest.raises(Refused, match="the ref of the git source starts with -"):
        check(Remote(url="/srv/x", ref="-x"))


def test_a_commit_is_forty_hex_digits() -> None:
    assert [is_commit(ref) for ref in ("a" * 40, "a" * 39, "A" * 40, "a" * 40 + "\n")] == [True, False, False, False]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:secret@git.example.com:8443/x.git", "https://git.example.com:8443/x.git"),
        ("https://ghp_token@git.example.com/x", "https://git.example.com/x"),
        ("https://host/x?private_token=abcdef#y", "https://host/x"),
        ("https://a:b@c@host/x", "https://host/x"),
        ("https://a:b?c#d@host/x", "https://host/x"),
        ("ssh://git:pw@host/x", "ssh://host/x"),
        ("git@host:acme/x.git", "host:acme/x.git"),
        ("/srv/git/a@b:c", "/srv/git/a@b:c"),
    ],
)
def test_people_see_the_address_without_credentials(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_a_remote_shows_no_secret_when_printed() -> None:
    assert "hunter2" not in repr(Remote(url="https://a:hunter2@host/x", token="hunter2"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:secret@host/x", "https://host/x"),
        ("https://ghp_token@host:1/x", "https://host:1/x"),
        ("ssh://git:pw@host/x", "ssh://git@host/x"),
        ("git@host:x", "git@host:x"),
        ("/srv/x@y", "/srv/x@y"),
    ],
)
def test_git_gets_the_address_without_a_password(url: str, expected: str) -> None:
    assert address(Remote(url=url)) == expected


def test_only_home_path_agent_proxies_and_certificates_come_along() -> None:
    wanted = {
        "HOME": "/h",
        "PATH": "/p",
        "SSH_AUTH_SOCK": "/s",
        "HTTPS_PROXY": "x",
        "no_proxy": "y",
        "SSL_CERT_FILE": "z",
    }
    foreign = {
        "GIT_SSH": "x",
        "GIT_EXEC_PATH": "x",
        "GIT_DIR": "x",
        "LD_PRELOAD": "x",
        "GIT_TRACE": "x",
        "SECRET": "x",
    }
    made = hardened_environment(wanted | foreign, Remote(url="/srv/x"))
    assert {name: made.get(name) for name in wanted} == wanted
    assert not foreign.keys() & made.keys()


@pytest.mark.parametrize(
    ("url", "protocols"),
    [
        ("https://host/x", "https"),
        ("http://host/x", "http:https"),
        ("git@host:x", "ssh"),
        ("ssh://host/x", "ssh"),
        ("/srv/x", "file"),
        ("file:///srv/x", "file"),
        ("git://host/x", "git"),
        ("ext::sh", "none"),
    ],
)
def test_git_may_use_the_protocol_of_the_address_only(url: str, protocols: str) -> None:
    expected = "ssh" if url == "ext::sh" else protocols  # never reached: such an address is refused before
    assert hardened_environment({}, Remote(url=url))["GIT_ALLOW_PROTOCOL"] == expected


def test_without_a_remote_git_may_use_no_protocol() -> None:
    assert hardened_environment({}, None)["GIT_ALLOW_PROTOCOL"] == "none"


def ask_git(remote: Remote, host: str) -> dict[str, str]:
    environment = hardened_environment(ENVIRON, remote)
    question = f"protocol=https\nhost={host}\n\n"
    done = subprocess.run(
        ["git", "credential", "fill"],
        env=environment,
        input=question,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_git_learns_user_and_password_of_the_address() -> None:
    answer = ask_git(Remote(url="https://ada:p%40ss@git.example.com/x"), "git.example.com")
    assert (answer["username"], answer["password"]) == ("ada", "p@ss")


def test_git_learns_the_token() -> None:
    answer = ask_git(Remote(url="https://git.example.com/x", token="t$(x)%s"), "git.example.com")
    assert (answer["username"], answer["password"]) == ("x-access-token", "t$(x)%s")


def test_another_host_never_gets_the_token() -> None:
    assert "password" not in ask_git(Remote(url="https://git.example.com/x", token="hunter2"), "evil.example.com")


def test_lines_are_masked() -> None:
    remote = Remote(url="https://ada:p%40ssword@host/x", token="hunter2")
    assert masked("x hunter2 p@ssword p%40ssword y", remote) == "x *** *** *** y"


def test_credentials_in_any_url_of_a_line_are_masked() -> None:
    assert masked("see https://a:b@other/x", None) == "see https://other/x"


@pytest.mark.parametrize(
    "url",
    ["https://h/x?private_token=can%2Fary", "https://h/x?can%2Fary", "https://h/x#can%2Fary", "https://h?a=can/ary"],
)
def test_a_secret_behind_the_path_is_masked_wherever_it_stands(url: str) -> None:
    assert masked("bad can/ary can%2Fary", Remote(url=url)) == "bad *** ***"


def test_the_query_of_any_url_of_a_line_is_masked() -> None:
    line = "unable to access 'https://other/x?token=canary/': see http://h?canary and https://h/y#canary."
    assert masked(line, None) == "unable to access 'https://other/x': see http://h and https://h/y"


@pytest.mark.parametrize("url", ["https://host?canary/x", "https://a:canary@host?canary/x", "https://host#canary/x"])
def test_no_query_is_shown_where_the_path_is_missing(url: str) -> None:
    assert shown(url) == "https://host"


def test_a_token_in_place_of_the_user_is_masked() -> None:
    assert masked("bad ghp_0123", Remote(url="https://ghp_0123@host/x")) == "bad ***"


def test_control_characters_of_a_server_do_not_reach_a_terminal() -> None:
    assert masked("a\x1b[31mb\x9b", None) == "a [31mb "


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script of util-linux for a terminal")
def test_git_asks_nothing_at_a_terminal() -> None:
    environment = hardened_environment(ENVIRON, Remote(url="https://nowhere.invalid/x"))
    question = "echo url=https://nowhere.invalid | timeout -s KILL 20 git credential fill"
    done = subprocess.run(
        ["script", "-qec", question, "/dev/null"],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "terminal prompts disabled" in done.stdout


def test_git_reads_no_configuration_of_the_user(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[alias]\n\tx = !touch witness\n")
    environment = hardened_environment({**ENVIRON, "HOME": str(tmp_path)}, None)
    done = subprocess.run(["git", "x"], env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode
    assert not (tmp_path / "witness").exists()
