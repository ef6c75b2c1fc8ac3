"""The dashboard on a store of its own, asked as a browser asks it, without a server between."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient

from tests.support.builders import NOON
from windmill.core.errors import Unavailable
from windmill.core.ports import Batch, Store
from windmill.dashboard.factory import create_app
from windmill.dashboard.facts import Facts
from windmill.store.sqlite import SqliteStore

NOW: Final = NOON + timedelta(minutes=5)
SECRET: Final = "It's a Secret to Everybody"


class Site:
    """It is 12:05; every job is due in ten minutes, and the project shop has a webhook."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.put(Batch())
        self.app = create_app(
            Facts(
                version="1",
                home="/srv/windmill",
                open_store=self._open,
                webhook_secret={"shop": SECRET}.get,
                starts=lambda _job, now: (now + timedelta(minutes=10 * number) for number in range(1, 100)),
                clock=lambda: NOW,
                trusted_hosts=("hooks.example.com",),
            )
        )
        self.client: FlaskClient = self.app.test_client()

    def put(self, batch: Batch) -> None:
        with closing(SqliteStore(self.database)) as store:
            store.write(batch)

    def page(self) -> str:
        """The text of the overview, its white space as a browser shows it."""
        text = re.sub(r"<[^>]*>", " ", self.client.get("/").get_data(as_text=True))
        return unescape(re.sub(r"\s+", " ", text))

    def _open(self, readonly: bool) -> Store:
        if not self.database.exists():
            raise Unavailable("gone")
        return SqliteStore(self.database, readonly=readonly)
