from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from windmill.core.errors import WindmillError
from windmill.projects.settings import SecretSource
from windmill.settings import Settings, load, machine_zone

PASSWORD = "hunter2"
FULL = f"""
timezone = "America/Sao_Paulo"
[scheduler]
max_running = 4
journal_max_size = "64MiB"
[store]
uri = "mongodb://me:{PASSWORD}@db/windmill"
[dashboard]
host = "0.0.0.0"
port = 8000
trusted_hosts = ["Hooks.Example.com"]
[projects.reports]
git = "https://git.example.com/acme/reports.git"
ref = "v1"
path = "sub"
poll = "5m"
[groups]
warehouse = 1
[channels.team]
url = {{from_env = "TEAM_CHANNEL_URL"}}
[defaults]
timeout = "6h"
"""

SIGN_IN = """
[dashboard]
auth = "oidc"
reading = "signed-in"
actions = false
[dashboard.users.ana]
role = "act"
token = {from_env = "ANA"}
[dashboard.users.bia]
role = "read"
password = {from_file = "bia.hash"}
[dashboard.proxy]
header = "X-Remote-User"
from = ["10.0.0.0/8", "::1"]
act = ["ana"]
[dashboard.oidc]
issuer = "https://login.example.com"
client_id = "windmill"
client_secret = {from_env = "OIDC"}
act = ["ana@example.com"]
"""


def settings_of(home: Path, text: str, **environ: str) -> Settings:
    (home / "windmill.toml").write_text(text)
    return load(home, environ)


def complaint_about(home: Path, text: str, **environ: str) -> str:
    with pytest.raises(WindmillError) as caught:
        settings_of(home, text, **environ)
    return str(caught.value)


def test_a_missing_and_an_empty_file_are_all_defaults(tmp_path: Path) -> None:
    expected = Settings(timezone="Europe/Lisbon")
    assert load(tmp_path, {"TZ": "Europe/Lisbon"}) == expected
    assert settings_of(tmp_path, "", TZ="Europe/Lisbon") == expected


def test_every_key_is_read(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FULL)
    reports = settings.projects["reports"]
    assert (settings.timezone, settings.max_running) == ("America/Sao_Paulo", 4)
    assert settings.journal_max_size == 64 << 20
    assert settings.store_uri == f"mongodb://me:{PASSWORD}@db/windmill"
    assert (settings.dashboard.host, settings.dashboard.port) == ("0.0.0.0", 8000)
    assert settings.dashboard.trusted_hosts == ("hooks.example.com",)
    assert (reports.ref, reports.path, reports.poll) == ("v1", "sub", timedelta(minutes=5))
    assert reports.git == "https://git.example.com/acme/reports.git"
    assert settings.groups == {"warehouse": 1}
    assert settings.channels == {"team": SecretSource(from_env="TEAM_CHANNEL_URL")}
    assert settings.defaults == {"timeout": "6h"}


def test_who_hears_of_the_home_is_one_of_the_channels(tmp_path: Path) -> None:
    assert settings_of(tmp_path, f'{FULL}[alerts]\nnotify = ["team"]').alerts == ("team",)
    with pytest.raises(WindmillError, match='names "tem", which is no channel: rename it to "team"'):
        settings_of(tmp_path, f'{FULL}[alerts]\nnotify = ["tem"]')


@pytest.mark.parametrize(
    ("written", "url"),
    [("https://windmill.example.com/", "https://windmill.example.com"), ("http://h:8/x", "http://h:8/x")],
)
def test_links_lead_where_the_settings_say(tmp_path: Path, written: str, url: str) -> None:
    assert settings_of(tmp_path, f'[dashboard]\nurl = "{written}"').dashboard.url == url


@pytest.mark.parametrize(
    "written", ["windmill.example.com", "ftp://h", "https://me:secret@h", "http://[", "https://"]
)
def test_what_is_no_address_of_a_dashboard_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(WindmillError, match=r"dashboard\.url is not valid"):
        settings_of(tmp_path, f'[dashboard]\nurl = "{written}"')


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        FULL,
        WINDMILL_TIMEZONE="UTC",
        WINDMILL_MAX_RUNNING="9",
        WINDMILL_STORE_URI="mongodb://other",
        WINDMILL_DASHBOARD_HOST="::1",
        WINDMILL_DASHBOARD_PORT="1",
    )
    assert (settings.timezone, settings.max_running, settings.store_uri) == ("UTC", 9, "mongodb://other")
    assert (settings.dashboard.host, settings.dashboard.port) == ("::1", 1)


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert settings_of(tmp_path, FULL, WINDMILL_MAX_RUNNING="").max_running == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timezon = 'UTC'", 'windmill.toml: unknown key "timezon": rename it to "timezone"'),
        ("[scheduler]\nmax_runing = 1", 'unknown key "scheduler.max_runing": rename it to "max_running"'),
        ("[scheduler]\nmax_running = 0", "scheduler.max_running is not valid (expected at least 1, found 0)"),
        (
            "[scheduler]\njournal_max_size = '63MiB'",
            'scheduler.journal_max_size is not valid (expected a size of at least 64MiB, found "63MiB")',
        ),
        ("[scheduler]\njournal_max_size = 'big'", "expected a size such as 10MiB"),
        ("[scheduler]\nmax_running = '8'", "expected a whole number"),
        ("scheduler = 1", "scheduler is not valid (expected a mapping"),
        ("timezone = 'Mars/X'", 'unknown timezone "Mars/X"'),
        ("[dashboard]\nport = 65536", "dashboard.port is not valid (expected at most 65535"),
        (
            "[dashboard]\ntrusted_hosts = ['a:80']",
            "dashboard.trusted_hosts.0 is not valid (expected the name of a host",
        ),
        (
            "[dashboard]\nauth = 'none'",
            "dashboard.auth is not valid (expected one of link, token, basic, proxy, oidc",
        ),
        ("[dashboard]\nreading = 'all'", "dashboard.reading is not valid (expected one of open, signed-in"),
        ("[dashboard]\nauth = 'token'", 'dashboard.auth = "token" needs somebody with a token'),
        ("[dashboard]\nauth = 'basic'", 'dashboard.auth = "basic" needs somebody with a password'),
        ("[dashboard]\nauth = 'oidc'", 'dashboard.auth = "oidc" needs [dashboard.oidc] issuer, client_id'),
        ("[dashboard.users.a]\ntoken = {from_env = 'X'}", "dashboard.users.a.role is missing"),
        ("[dashboard.users.a]\nrole = 'root'", "dashboard.users.a.role is not valid (expected one of read, act"),
        ("[dashboard.users.a]\nrole = 'act'\ntoken = {}", "dashboard.users.a.token needs exactly one of from_env"),
        (
            "[dashboard.users.a]\nrole = 'act'\npasword = 'x'",
            'unknown key "dashboard.users.a.pasword": rename it to "password"',
        ),
        ("[dashboard.proxy]\nform = []", 'unknown key "dashboard.proxy.form": rename it to "from"'),
        ("[dashboard.proxy]\nfrom = ['x']", "dashboard.proxy.from.0 is not valid (expected an address or a network"),
        ("[dashboard.proxy]\nfrom = ['10.0.0.1/8']", "dashboard.proxy.from.0 is not valid"),
        (
            "[dashboard.proxy]\nheader = 'X-Forwarded-For'",
            "dashboard.proxy.header is not valid (expected a header that tells",
        ),
        ("[dashboard.proxy]\nheader = 'a b'", "dashboard.proxy.header is not valid (expected the name of a header"),
        (
            "[dashboard.oidc]\nissuer = 'http://x.example'\nclient_id = 'a'",
            "dashboard.oidc.issuer is not valid (expected the address",
        ),
        ("[dashboard.oidc]\nissuer = 'https://x'", "dashboard.oidc.client_id is missing"),
        (
            "[dashboard.oidc]\nissuer = 'https://x'\nclient_id = 'a'\nclient_secret = {}",
            "dashboard.oidc.client_secret needs exactly one of",
        ),
        ("[projects.a]\nref = 'x'", "projects.a.ref needs git, the URL of the repository"),
        ("[projects.a]\ngit = '/x'\nverify = {}", "projects.a.verify needs exactly one of allowed_signers, gpg_home"),
        ("[projects.a]\ngit = '/x'\ntoken = {}", "projects.a.token needs exactly one of from_env, from_file"),
        ("[projects.'a b']\ngit = 'x'", "projects.a b is not valid"),
        ("[projects.a]\ngit = 'x'\npoll = 'soon'", "projects.a.poll is not valid (expected a duration"),
        ("[groups]\nwarehouse = 0", "groups.warehouse is not valid"),
        ("[channels.team]\nurl = 'https://x'", "channels.team.url is not valid (expected a mapping"),
        ("[channels.team]\nurl = {}", "channels.team.url needs exactly one of from_env, from_file"),
        ("[defaults]\nname = 'x'", "defaults.name is not allowed"),
        ("[defaults]\nentry_point = 'x'", "defaults.entry_point is not allowed"),
        ("[defaults]\nschedule = 'x'", "defaults.schedule is not allowed"),
        ("[defaults]\ntimeot = 1", 'unknown key "timeot": rename it to "timeout"'),
        ("[defaults]\ntimeout = 'x'", "timeout is not valid (expected a duration"),
        ("defaults = 3", "defaults is not valid"),
        ("a = ", "windmill.toml:1: not valid TOML: Invalid value"),
        ("b = 1.x", "windmill.toml:1:6: not valid TOML"),
        ("a = 1\na = 2", "windmill.toml:2: not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint_about(tmp_path, text)


@pytest.mark.parametrize("value", ["0", "x", "-1", "1.5", "²", "9" * 5000])
def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path, value: str) -> None:
    assert complaint_about(tmp_path, "", WINDMILL_MAX_RUNNING=value).startswith("WINDMILL_MAX_RUNNING: ")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    message = complaint_about(
        tmp_path, "x = 1\n[scheduler]\nmax_running = 0\n[defaults]\ny = 1\n", WINDMILL_DASHBOARD_PORT="z"
    )
    assert len(message.splitlines()) == 4


def test_the_password_of_the_store_is_never_shown(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FULL)
    assert PASSWORD not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "text",
    [
        f"[store]\nuri = ['mongodb://me:{PASSWORD}@db']",
        f"[store]\nuri = {{x = 'mongodb://me:{PASSWORD}@db'}}",
        f"store = 'mongodb://me:{PASSWORD}@db'",
        f"[store]\nuri = 'mongodb://me:{PASSWORD}@db'\nx = 1",
        f"[store]\nurl = 'mongodb://me:{PASSWORD}@db'",
        f"[store]\nuri = 'mongodb://me:{PASSWORD}@db",
    ],
)
def test_a_mistake_around_the_store_does_not_show_its_password(tmp_path: Path, text: str) -> None:
    assert PASSWORD not in complaint_about(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        f"[dashboard.users.a]\nrole = 'act'\npassword = '{PASSWORD}'",
        f"[dashboard.users.a]\nrole = 'act'\ntoken = ['{PASSWORD}']",
        f"[dashboard.users.a]\nrole = '{PASSWORD}'",
        f"[dashboard.oidc]\nissuer = 'https://x'\nclient_id = 'a'\nclient_secret = '{PASSWORD}'",
    ],
)
def test_a_secret_in_place_of_where_it_is_found_is_not_shown(tmp_path: Path, text: str) -> None:
    assert PASSWORD not in complaint_about(tmp_path, text)


def test_who_signs_in_how_is_read(tmp_path: Path) -> None:
    dashboard = settings_of(tmp_path, SIGN_IN).dashboard
    assert (dashboard.auth, dashboard.reading, dashboard.actions) == ("oidc", "signed-in", False)
    assert {name: user.act for name, user in dashboard.users.items()} == {"ana": True, "bia": False}
    assert dashboard.users["ana"].token == SecretSource(from_env="ANA")
    assert dashboard.users["bia"].password == SecretSource(from_file=str(tmp_path / "bia.hash"))
    assert (dashboard.proxy.header, dashboard.proxy.peers) == ("X-Remote-User", ("10.0.0.0/8", "::1/128"))
    assert dashboard.proxy.act == {"ana"}
    assert dashboard.oidc is not None
    assert (dashboard.oidc.issuer, dashboard.oidc.client_id) == ("https://login.example.com", "windmill")
    assert (set(dashboard.oidc.act), dashboard.oidc.read) == ({"ana@example.com"}, None)


@pytest.mark.parametrize("content", [b"\xff", b"a = " + b"[" * 100_000, b"#" * 300_000])
def test_a_hostile_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "windmill.toml").write_bytes(content)
    with pytest.raises(WindmillError, match=r"windmill\.toml"):
        load(tmp_path, {})


def test_a_directory_in_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "windmill.toml").mkdir()
    with pytest.raises(WindmillError, match="cannot be read"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("environ", "link", "zone"),
    [
        ({"TZ": "Asia/Tokyo"}, "/usr/share/zoneinfo/Europe/Lisbon", "Asia/Tokyo"),
        ({"TZ": ":Asia/Tokyo"}, None, "Asia/Tokyo"),
        ({"TZ": "<-03>3"}, "/usr/share/zoneinfo/Europe/Lisbon", "Europe/Lisbon"),
        ({}, "../usr/share/zoneinfo/Europe/Lisbon", "Europe/Lisbon"),
        ({}, "/somewhere/else", "UTC"),
        ({}, None, "UTC"),
    ],
)
def test_the_zone_of_the_machine(tmp_path: Path, environ: dict[str, str], link: str | None, zone: str) -> None:
    localtime = tmp_path / "localtime"
    if link is not None:
        localtime.symlink_to(link)
    assert machine_zone(environ, localtime) == zone


def test_who_hears_of_the_scheduler_is_read(tmp_path: Path) -> None:
    text = '[heartbeat]\nfrom_file = "own.url"\nevery = "30s"\nallow = ["10.0.0.0/8", "::1"]'
    heartbeat = settings_of(tmp_path, text).heartbeat
    assert heartbeat.source == SecretSource(from_file=str(tmp_path / "own.url"))
    assert (heartbeat.every, heartbeat.allow) == (timedelta(seconds=30), ("10.0.0.0/8", "::1/128"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('from_env = "A"\nfrom_file = "b"', "heartbeat has both from_env and from_file"),
        ('every = "1m"', "heartbeat.every needs from_env or from_file"),
        ('from_env = "A"\nevery = "10ms"', "heartbeat.every is shorter than a second"),
        ('allow = ["10.0.0.1/8"]', "heartbeat.allow.0 is not valid (expected a network such as 10.0.0.0/8"),
        ('url = "https://HUSH"', 'unknown key "heartbeat.url"'),
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(WindmillError) as raised:
        settings_of(tmp_path, f"[heartbeat]\n{text}")
    assert words in str(raised.value)
    assert "HUSH" not in str(raised.value)
