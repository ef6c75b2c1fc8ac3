from __future__ import annotations

import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import time

import pytest
from werkzeug.security import generate_password_hash

from windmill.app.home import Home
from windmill.app.reading import LiveProjectSettings
from windmill.app.sign_in import GOOD_FOR, KEY_BYTES, Links, access_of, address, check, keep_address, secret_key
from windmill.core.errors import Refused, WindmillError
from windmill.dashboard.access import Access, Role


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "windmill.toml").write_text("")
    return Home(tmp_path, {})


def links(home: Home, later: timedelta = timedelta(0)) -> Links:
    """What makes and takes links, so much later than it is: files have the time of the machine."""
    return Links(home, lambda: datetime.fromtimestamp(time(), UTC) + later)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Links


def test_a_link_is_good_once_and_names_who_made_it(home: Home) -> None:
    token = links(home).make()
    assert links(home).claim(token) not in {None, ""}
    assert links(home).claim(token) is None


def test_links_outlive_the_process_that_made_them_and_do_not_end_one_another(home: Home) -> None:
    first, second = links(home).make(), links(home).make()
    assert links(home).claim(second)
    assert links(home).claim(first)


@pytest.mark.parametrize(("age", "good"), [(-GOOD_FOR, False), (timedelta(0), True), (GOOD_FOR, False)])
def test_a_link_is_good_for_a_time(home: Home, age: timedelta, good: bool) -> None:
    token = links(home).make()
    beyond = age + (timedelta(seconds=5) if age > timedelta(0) else timedelta(seconds=-5)) * (not good)
    assert bool(links(home, beyond).claim(token)) is good


@pytest.mark.parametrize("token", ["", "x", "../lock", "a" * 42, "a" * 44, "a" * 43, "/" * 43, "\0" * 43])
def test_any_other_token_is_none(home: Home, token: str) -> None:
    links(home).make()
    assert links(home).claim(token) is None


def test_nothing_but_the_hash_of_a_token_is_kept_and_nobody_else_may_look(home: Home) -> None:
    token = links(home).make()
    (kept,) = (home.state / "sign-in").iterdir()
    assert (kept.name, kept.read_bytes()) == (sha256(token.encode()).hexdigest(), b"")
    assert (mode(kept), mode(kept.parent), mode(home.state)) == (0o600, 0o700, 0o700)


def test_a_link_laid_there_as_a_link_to_a_file_is_none(home: Home, tmp_path: Path) -> None:
    links(home).make()
    token = "a" * 43
    (home.state / "sign-in" / sha256(token.encode()).hexdigest()).symlink_to(tmp_path / "windmill.toml")
    assert links(home).claim(token) is None


def test_of_many_who_claim_a_link_at_once_one_gets_it(home: Home) -> None:
    token, known = links(home).make(), links(home)
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(known.claim(token))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(name is not None for name in got) == 1


def test_links_that_nobody_used_are_forgotten(home: Home) -> None:
    links(home).make()
    links(home, 2 * GOOD_FOR).make()
    assert len(list((home.state / "sign-in").iterdir())) == 1


# The key


def test_the_key_is_made_once_for_the_home_and_nobody_else_may_read_it(home: Home) -> None:
    key = secret_key(home)
    assert (len(key), secret_key(home)) == (KEY_BYTES, key)
    assert mode(home.state / "dashboard.key") == 0o600
    assert [path.name for path in home.state.iterdir()] == ["dashboard.key"]


def test_all_who_begin_at_once_have_the_same_key(home: Home) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(secret_key(home))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(keys), len(set(keys))) == (20, 1)


@pytest.mark.parametrize("content", [b"", b"x" * (KEY_BYTES - 1), b"x" * (KEY_BYTES + 1)])
def test_a_key_that_was_cut_signs_nothing(home: Home, content: bytes) -> None:
    home.make_state()
    (home.state / "dashboard.key").write_bytes(content)
    with pytest.raises(Refused, match="does not hold 32 bytes"):
        secret_key(home)


# The address


def test_the_address_is_the_one_that_was_taken_else_the_one_of_the_settings(home: Home) -> None:
    assert address(home) == "http://127.0.0.1:5000"
    home.make_state()
    keep_address(home, "http://127.0.0.1:40123")
    assert address(home) == "http://127.0.0.1:40123"
    assert mode(home.state / "dashboard.url") == 0o600


# Who may what


def access(home: Home, text: str, *, local: bool = True) -> Access:
    (home.root / "windmill.toml").write_text(text)
    live = LiveProjectSettings(home)
    return access_of(home, lambda: live.settings().dashboard, local=local)()


def test_by_default_all_on_this_machine_may_look(home: Home) -> None:
    known = access(home, "")
    assert (known.auth, known.anonymous) == ("link", Role.READ)


@pytest.mark.parametrize(("text", "local"), [("[dashboard]\nreading = 'signed-in'", True), ("", False)])
def test_reading_may_be_closed_and_is_where_others_reach_it(home: Home, text: str, local: bool) -> None:
    assert access(home, text, local=local).anonymous is Role.NOBODY


def test_a_changed_file_counts_at_once(home: Home) -> None:
    path = home.root / "windmill.toml"
    path.write_text("[dashboard.users.ana]\nrole = 'act'\ntoken = {from_env = 'T'}\n")
    live = LiveProjectSettings(home)
    ask = access_of(home, lambda: live.settings().dashboard, local=True)
    assert ask().accounts["ana"].role is Role.ACT
    path.write_text("[dashboard.users.ana]\nrole = 'read'\ntoken = {from_env = 'T'}\n")
    os.utime(path, ns=(1, 1))
    assert ask().accounts["ana"].role is Role.READ
    path.write_text("")
    os.utime(path, ns=(2, 2))
    assert not ask().accounts


def test_secrets_are_found_where_the_settings_say(home: Home) -> None:
    home = Home(home.root, {"T": "a token of the environment"})
    (home.root / "password").write_text("hash\n")
    text = "[dashboard.users.ana]\nrole = 'act'\ntoken = {from_env = 'T'}\npassword = {from_file = 'password'}\n"
    ana = access(home, text).accounts["ana"]
    assert ana.token is not None
    assert ana.password is not None
    assert (ana.token(), ana.password()) == ("a token of the environment", "hash")


def test_proxies_are_known_where_there_are_some(home: Home) -> None:
    assert not access(home, "").trusts("127.0.0.1")
    assert access(home, "[dashboard]\nauth = 'proxy'").trusts("127.0.0.1")
    assert access(home, "[dashboard.proxy]\nfrom = ['10.0.0.0/8']").trusts("10.1.2.3")
    assert not access(home, "[dashboard.proxy]\nfrom = ['10.0.0.0/8']").trusts("127.0.0.1")


HASH = generate_password_hash("x", method="scrypt:1024:8:1")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("token", None, "the token of ana is not set: there is no variable S"),
        ("token", "tiny", "dashboard.users.ana.token is shorter than 20 characters"),
        ("token", "sha256:12", "dashboard.users.ana.token is not sha256: and 64 digits"),
        ("password", "in the clear and long", "dashboard.users.ana.password is no hash"),
        ("token", "x" * 20, ""),
        ("token", "sha256:" + "0" * 64, ""),
        ("password", HASH, ""),
    ],
)
def test_a_secret_that_lets_nobody_in_is_told_at_the_start(
    home: Home, key: str, value: str | None, words: str
) -> None:
    home = Home(home.root, {"S": value} if value else {})
    (home.root / "windmill.toml").write_text(f"[dashboard.users.ana]\nrole = 'act'\n{key} = {{from_env = 'S'}}\n")
    said = ""
    try:
        check(home.settings.dashboard, home.environ)
    except WindmillError as error:
        said = str(error)
    assert words in said if words else said == ""
    assert value is None or value not in said
