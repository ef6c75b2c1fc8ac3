from __future__ import annotations

import re
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from werkzeug.security import check_password_hash

from tests.support.command import windmill
from windmill.app.home import Home
from windmill.app.sign_in import Links, keep_address
from windmill.cli.root import root
from windmill.scheduler.clock import now

LINK = re.compile(r"http://127\.0\.0\.1:\d+/sign-in\?token=[\w-]{43}")


def test_a_link_is_printed_that_signs_in(home: Path) -> None:
    done = windmill(home, "sign-in")
    assert (done.status, bool(LINK.fullmatch(done.out.strip()))) == (0, True)
    (token,) = parse_qs(urlsplit(done.out.strip()).query)["token"]
    assert Links(Home(home, {}), now).claim(token)


def test_every_link_is_another(home: Path) -> None:
    assert windmill(home, "sign-in").out != windmill(home, "sign-in").out


def test_the_link_leads_to_the_port_that_was_taken(home: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as dashboard:
        url = f"http://127.0.0.1:{dashboard.getsockname()[1]}"
        Home(home, {}).make_state()
        keep_address(Home(home, {}), url)
        done = windmill(home, "sign-in", "--json")
    assert done.json["url"].startswith(f"{url}/sign-in?token=")
    assert done.err == ""


def test_a_dashboard_that_is_not_there_is_told_and_the_link_is_good_all_the_same(home: Path) -> None:
    Home(home, {}).make_state()
    keep_address(Home(home, {}), "http://127.0.0.1:9")
    done = windmill(home, "sign-in")
    assert "No dashboard answers at http://127.0.0.1:9 now: windmill up" in done.err
    assert LINK.fullmatch(done.out.strip())


def test_there_are_no_links_where_people_sign_in_otherwise(home: Path) -> None:
    (home / "windmill.toml").write_text('[dashboard]\nauth = "proxy"\n')
    done = windmill(home, "sign-in")
    assert (done.status, done.out) == (1, "")
    assert "people sign in by proxy here, not by link" in done.err


@pytest.mark.parametrize(("typed", "status"), [("one\none\n", 0), ("one\nanother\n", 1), ("x" * 1025 + "\n", 1)])
def test_a_password_becomes_a_hash(typed: str, status: int) -> None:
    done = CliRunner().invoke(root, ["sign-in", "--hash"], input=typed)
    assert bool(done.exit_code) is bool(status)
    if not status:
        assert check_password_hash(done.stdout.strip(), "one")
    assert "one" not in done.output
