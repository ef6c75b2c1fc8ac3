"""The API keeps what its document promises: requests made from the document, against the real application."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any, Final

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from werkzeug.serving import make_server

from tests.support.builders import a_job, a_running_execution, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock
from windmill.dashboard.access import Access, Account, Role
from windmill.dashboard.context import store

TOKEN: Final = "let-me-act-as-nobody-else"
CONFIG: Final[dict[str, Any]] = {
    "seed": 1,
    "headers": {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "identity"},
    "generation": {"max-examples": 6, "deterministic": True, "database": "none"},
}
ENDED, RUNNING, WISH = "0" * 15 + "1", "0" * 15 + "2", "a" * 32
THERE: Final = {"project": ["p"], "name": ["hello"], "identity": [ENDED, RUNNING], "wish": [WISH]}
DAY: Final = {"name": "day", "type": "integer", "default": 1, "required": False, "enum": [], "description": ""}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home with something of everything, where an hour passes between requests: nobody has to wait to sign in."""
    accounts = {"robot": Account(role=Role.ACT, token=lambda: TOKEN)}
    hours = count()
    found = Site(
        tmp_path_factory.mktemp("site") / "windmill.db",
        access=lambda: Access(auth="token", accounts=accounts),
        clock=lambda: NOW + timedelta(hours=next(hours)),
    )
    problem = {"file": "jobs.d/a.yaml", "line": 1, "column": 2, "message": "no", "severity": "error", "code": "key"}
    applied = {"revision": "main@sha1:" + "3f" * 20, "author": "Ana", "subject": "Sum", "published_at": "2026-01-01"}
    source = {"id": "p", "kind": "git", "ref": "main", "path": "", "sync": "synced", "error": "", "applied": applied}
    found.put(
        Batch(
            jobs=[a_job(params=[DAY], labels={"team": "a"}), a_job(id="p/other"), a_job(id="p/gone", deleted=True)],
            executions=[
                an_execution(id=ENDED, state=State.FAILED, exit_code=1, reason="exit_code"),
                a_running_execution(id=RUNNING),
            ],
            output=[
                OutputBlock(ENDED, 1, 2, 1, 1000, b"hello\n"),
                OutputBlock(ENDED, 3, 3, 2, 2000, b"\xff\x1b[31m"),
            ],
            status={
                "catalog": {"id": "catalog", "at": "2026-01-01T12:00:00.000Z", "files": 1, "problems": [problem]},
                "projects": {"id": "projects", "projects": [source | {"recent": ["3f" * 20, "ab" * 20]}]},
            },
        )
    )
    wish = {"kind": "run", "job": "p/hello", "by": "ana", "at": "2026-01-01T12:00:00.000Z"}
    with found.app.app_context():
        for identity in (WISH, "b" * 32):
            store(readonly=False).add_request(wish | {"id": identity})
    return found


def narrowed(site: Site, document: dict[str, Any]) -> dict[str, Any]:
    """The document with what only this home knows: keys, cursors and params, which no document can promise."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    names = [ENDED] if path.endswith("/stream") else THERE[parameter["name"]]  # the others go on
                    parameter["schema"] = {"enum": names}
                elif parameter["name"] == "cursor":
                    first = site.client.get(path.format(project="p", name="hello") + "?limit=1").get_json()
                    parameter["schema"] = {"enum": [first["next"]]}
    schemas = document["components"]["schemas"]
    schemas["Run"]["properties"]["params"] = {
        "type": "object",
        "properties": {"day": {"type": "integer", "minimum": 0, "maximum": 2**53}},
        "additionalProperties": False,
    }
    schemas["Pause"]["properties"]["until"] = {"enum": ["2h", None]}
    return document


@contextmanager
def served(site: Site) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def broken(site: Site, url: str) -> Iterator[str]:
    """What was answered otherwise than the document says, with how to see it again; at last, what was seen."""
    document = narrowed(site, json.loads(site.client.get("/api/v1/openapi.json").get_data()))
    config = SchemathesisConfig.from_dict(CONFIG | {"base-url": url})
    for event in from_schema(schemathesis.openapi.from_dict(document, config=config)).execute():
        if isinstance(event, ScenarioFinished):
            for found in event.recorder.checks.values():
                yield from (f"{event.label}: {check.failure_info}" for check in found if check.failure_info)
        elif isinstance(event, NonFatalError | FatalError):
            yield str(event)


def test_every_answer_is_as_the_document_says(site: Site) -> None:
    with served(site) as url:
        found = list(broken(site, url))
    assert not found, "\n\n".join(found[:10])
