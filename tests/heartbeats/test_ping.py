from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.world import T0
from windmill.core.model import Cause, Execution, State
from windmill.heartbeats.address import Url, parse
from windmill.heartbeats.ping import BODY_MAX, Ping, Request, Signal, ping_of, request

ID = "7668c3da0c6b094e"
RID = "rid=00000000-0000-0000-7668-c3da0c6b094e"
HEALTHCHECKS = parse("https://hc.example.com/ping/abc")
CRONITOR = parse("https://cronitor.link/p/KEY/nightly")


def ended(state: State, *, exit_code: int | None = None, reason: str = "") -> Execution:
    return Execution(
        id=ID, job="p/a", state=state, reason=reason, trigger=Cause.MANUAL, queued_at=T0, exit_code=exit_code
    )


def told(state: State, *, exit_code: int | None = None, reason: str = "", output: bytes = b"") -> Request:
    return request(HEALTHCHECKS, ping_of(ended(state, exit_code=exit_code, reason=reason)), output)


def test_a_start_and_a_success_are_told_with_one_run_id() -> None:
    assert told(State.RUNNING) == ("POST", f"/ping/abc/start?{RID}", b"")
    assert told(State.SUCCEEDED, exit_code=0, output=b"done\n") == ("POST", f"/ping/abc?{RID}", b"done\n")


def test_a_code_that_counts_as_success_is_told_as_success() -> None:
    assert told(State.SUCCEEDED, exit_code=3).target == f"/ping/abc?{RID}"


def test_a_failure_is_told_by_its_exit_code() -> None:
    assert told(State.FAILED, exit_code=75, output=b"no\n") == (
        "POST",
        f"/ping/abc/75?{RID}",
        b"failed\nno\n",
    )


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT, State.STOPPED, State.LOST])
@pytest.mark.parametrize("exit_code", [None, 0, -9])
def test_what_has_no_exit_code_to_tell_fails_by_its_name(state: State, exit_code: int | None) -> None:
    answer = told(state, exit_code=exit_code, reason="by ana")
    assert (answer.target, answer.body) == (f"/ping/abc/fail?{RID}", f"{state}, by ana\n".encode())


def test_a_query_that_is_there_stays() -> None:
    url = parse("https://hc.example.com/key/slug/?create=1")
    assert request(url, ping_of(ended(State.RUNNING))).target == f"/key/slug/start?create=1&{RID}"


def test_the_body_is_whole_last_lines_within_its_bound() -> None:
    output = b"".join(b"line %04d\n" % number for number in range(5000))
    body = told(State.FAILED, exit_code=1, reason="r" * 20_004, output=output).body
    assert len(body) <= BODY_MAX
    lines = body.splitlines()
    assert lines[-1] == b"line 4999"
    assert all(line.startswith(b"line ") for line in lines[1:])


@pytest.mark.parametrize("url", [CRONITOR, parse("http://127.0.0.1:9/p/KEY/nightly/")])
def test_cronitor_is_known_by_its_host_or_its_path(url: Url) -> None:
    assert request(url, ping_of(ended(State.RUNNING))).target.endswith(f"?state=run&series={ID}")


def test_cronitor_hears_states_codes_and_the_end_of_the_output() -> None:
    answer = request(CRONITOR, ping_of(ended(State.FAILED, exit_code=2)), b"x" * 5000 + b"\nno & more\n")
    fields = parse_qs(urlsplit(answer.target).query)
    assert (answer.method, answer.body, fields["state"], fields["status_code"]) == ("GET", b"", ["fail"], ["2"])
    assert (len(fields["message"][0]), fields["message"][0].splitlines()[-1]) == (1000, "no & more")
    assert "state=complete" in request(CRONITOR, ping_of(ended(State.SUCCEEDED))).target


@pytest.mark.parametrize(
    ("url", "wanted"),
    [(HEALTHCHECKS, ("POST", "/ping/abc", b"")), (CRONITOR, ("GET", "/p/KEY/nightly", b""))],
)
def test_the_schedulers_own_sign_of_life_is_plain(url: Url, wanted: tuple[str, str, bytes]) -> None:
    assert request(url, Ping(signal=Signal.ALIVE)) == wanted
