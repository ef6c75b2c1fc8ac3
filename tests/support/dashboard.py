"""The dashboard on a store of its own, asked as a browser asks it, without a server between."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final

from flask.testing import FlaskClient

from tests.support.builders import NOON
from windmill.app.composing import HomeDrafts
from windmill.app.home import Home
from windmill.app.schemas import schemas
from windmill.app.times import parse_until
from windmill.core.errors import Unavailable
from windmill.core.ports import Batch, Store
from windmill.dashboard import proofs
from windmill.dashboard.access import Access, Account, Role
from windmill.dashboard.factory import create_app
from windmill.dashboard.facts import Facts
from windmill.store.sqlite import SqliteStore

NOW: Final = NOON + timedelta(minutes=5)
SECRET: Final = "It's a Secret to Everybody"


class Site:
    """It is 12:05; every job is due in ten minutes, and the project shop has a webhook."""

    def __init__(self, database: Path, *, anonymous: Role = Role.READ, **facts: Any) -> None:
        self.database = database
        self.people: dict[str, Account] = {}
        self.put(Batch())
        known: dict[str, Any] = {
            "version": "1",
            "home": "/srv/windmill",
            "open_store": self._open,
            "webhook_secret": {"shop": SECRET}.get,
            "starts": lambda _job, now: (now + timedelta(minutes=10 * number) for number in range(1, 100)),
            "schedule": lambda _job: None,
            "until": lambda text, now: parse_until(text, now=now, timezone="UTC"),
            "missing": lambda _execution: "",
            "suspects": lambda _store, _execution: [],
            "schemas": schemas,
            "drafts": HomeDrafts(Home(database.parent, {})),
            "clock": lambda: NOW,
            "secret_key": b"for tests only",
            "access": lambda: Access(auth="token", anonymous=anonymous, accounts=self.people),
            "trusted_hosts": ("hooks.example.com",),
        }
        self.app = create_app(Facts(**known | facts))
        self.client: FlaskClient = self.app.test_client()

    def put(self, batch: Batch) -> None:
        with closing(SqliteStore(self.database)) as store:
            store.write(batch)

    def request(self, document: dict[str, Any]) -> None:
        """Leave a request in the store."""
        with closing(SqliteStore(self.database)) as store:
            store.add_request({"state": "pending"} | document)

    def sign_in(self, role: Role = Role.ACT, name: str = "ana") -> None:
        """Let the client be somebody who has signed in."""
        secret = f"token of {name}, whom only tests know"
        self.people[name] = Account(role=role, token=lambda: secret)
        with self.client.session_transaction() as session:
            session.update(viewer=name, by="token", at=int(NOW.timestamp()), mark=proofs.mark(secret))

    def token(self) -> str:
        """What a form of a page shown to the client would carry."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/").get_data(as_text=True))
        assert found
        return found[1]

    def page(self) -> str:
        """The text of the overview, its white space as a browser shows it."""
        text = re.sub(r"<[^>]*>", " ", self.client.get("/").get_data(as_text=True))
        return unescape(re.sub(r"\s+", " ", text))

    def _open(self, readonly: bool) -> Store:
        if not self.database.exists():
            raise Unavailable("gone")
        return SqliteStore(self.database, readonly=readonly)
