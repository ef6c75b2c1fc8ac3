from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask

from tests.support.dashboard import Site
from windmill.dashboard.signatures import genuine
from windmill.store.sqlite import SqliteStore

NOW = datetime(2021, 2, 25, 15, 2, 10, tzinfo=UTC)  # 1614265330
SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"  # GitHub's documentation
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # vector of Standard Webhooks
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "w.db").close()
    return tmp_path / "w.db"


@pytest.fixture
def app(database: Path) -> APIFlask:
    return Site(database, clock=lambda: NOW, trusted_hosts=("windmill.example.com",)).app


def wishes(database: Path) -> list[str]:
    with closing(SqliteStore(database, readonly=True)) as store:
        return [f"{one['kind']} {one['project']} by {one['by']}" for one in store.pending_requests()]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": f"sha256={DIGEST}"},
        {"X-Gitea-Signature": DIGEST},
        {"X-Forgejo-Signature": DIGEST},
        {"X-Gitlab-Token": SECRET},
    ],
    ids=["github", "gitea", "forgejo", "gitlab"],
)
def test_a_signed_push_asks_once_for_a_look_however_often_it_comes(
    app: APIFlask, database: Path, headers: dict[str, str]
) -> None:
    delivered = {**headers, "X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}
    for _ in range(2):
        assert app.test_client().post("/hooks/git/shop", data=BODY, headers=delivered).status_code == 202
    assert wishes(database) == ["poll shop by webhook"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": DIGEST},
        {"X-Hub-Signature-256": "sha256=é"},
        {"X-Forgejo-Signature": "0" * 64, "X-Gitea-Signature": DIGEST},
        {"X-Gitlab-Token": ""},
    ],
    ids=["unsigned", "bare", "not ascii", "good beside wrong", "empty"],
)
def test_any_other_push_is_refused_and_asks_for_nothing(
    app: APIFlask, database: Path, headers: dict[str, str]
) -> None:
    answer = app.test_client().post("/hooks/git/shop", data=BODY, headers=headers)
    assert (answer.status_code, answer.get_json()["message"]) == (401, "The signature is missing or wrong.")
    assert wishes(database) == []


def test_the_vector_of_standard_webhooks_is_genuine() -> None:
    assert genuine(SIGNED, b'{"test": 2432232314}', STANDARD, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": "1614265029"},
        {"webhook-timestamp": "x"},
        {"webhook-id": "other"},
        {"webhook-signature": ""},
    ],
    ids=["old", "no time", "another id", "empty"],
)
def test_a_changed_or_old_standard_webhook_is_not(change: dict[str, str]) -> None:
    assert not genuine(SIGNED | change, b'{"test": 2432232314}', STANDARD, NOW)


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_signed_time_counts_for_five_minutes(seconds: int, taken: bool) -> None:
    assert genuine(SIGNED, b'{"test": 2432232314}', STANDARD, NOW + timedelta(seconds=seconds)) == taken


def test_a_signing_token_without_content_lets_nobody_in() -> None:
    content = f"{SIGNED['webhook-id']}.{SIGNED['webhook-timestamp']}.{{}}".encode()
    forged = base64.b64encode(hmac.new(b"", content, hashlib.sha256).digest()).decode()
    assert not genuine(SIGNED | {"webhook-signature": f"v1,{forged}"}, b"{}", "whsec_", NOW)


def test_a_ping_is_answered_and_asks_for_nothing(app: APIFlask, database: Path) -> None:
    signature = "sha256=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "ping"}
    answer = app.test_client().post("/hooks/git/shop", data=b"{}", headers=headers)
    assert (answer.status_code, answer.get_json()["message"], wishes(database)) == (200, "pong", [])


def test_a_project_without_a_webhook_is_not_found(app: APIFlask) -> None:
    assert app.test_client().post("/hooks/git/other", data=BODY).status_code == 404


def test_a_push_beyond_one_mebibyte_is_too_large(app: APIFlask) -> None:
    headers = {"X-Gitlab-Token": SECRET}
    assert app.test_client().post("/hooks/git/shop", data=b"x" * (1 << 20 | 1), headers=headers).status_code == 413


def test_a_push_while_the_store_is_away_is_to_be_sent_again(app: APIFlask, database: Path) -> None:
    database.unlink()
    answer = app.test_client().post("/hooks/git/shop", data=BODY, headers={"X-Gitlab-Token": SECRET})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_failures_are_json_for_programs_and_pages_for_people(app: APIFlask) -> None:
    client = app.test_client()
    assert client.get("/api/v1/nothing").get_json()["code"] == 404
    assert client.get("/<b>").mimetype == "text/html"
    assert (client.get("/").status_code, client.get("/health").status_code, client.get("/ready").status_code) == (
        200,
        200,
        503,
    )
