from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from tests.support.builders import a_job, a_running_execution, an_execution
from tests.support.dashboard import Site
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock


def a_busy_site(database: Path) -> Site:
    site = Site(database)
    jobs = [a_job(labels={"team": "a b"}), a_job(id="q/odd name"), a_job(id="q/@sync", system=True)]
    executions = [
        an_execution(revision="main@sha1:" + "ab" * 20),
        an_execution(id="2" * 16, state=State.FAILED, job="q/@sync"),
        an_execution(id="3" * 16, state=State.FAILED, job="q/odd name", attempt=2, retry_of="0" * 15 + "1"),
        a_running_execution(id="4" * 16),
    ]
    problem = dict.fromkeys(("expected", "found", "hint", "code"), "") | {"line": 1, "column": 1, "severity": "error"}
    catalog = {"id": "catalog", "problems": [problem | {"file": "x.yaml", "message": "bad", "job": "p/hello"}]}
    source = {"id": "q", "sync": "synced", "error": "", "applied": None}
    status = {"catalog": catalog, "projects": {"id": "projects", "projects": [source]}}
    output = [OutputBlock("2" * 16, 1, 1, 1, 0, b"x")]
    site.put(Batch(jobs=jobs, executions=executions, status=status, output=output))
    return site


def test_every_link_of_every_page_leads_somewhere(tmp_path: Path) -> None:
    site = a_busy_site(tmp_path / "windmill.db")
    waiting, seen, dead = ["/"], {"/"}, []
    while waiting:
        path = waiting.pop()
        with site.client.get(path) as answer:
            if answer.status_code != 200:
                dead.append(path)
            text = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
        found = {unescape(link).partition("#")[0] for link in re.findall(r'href="(/[^"]*)"', text)} - seen
        seen |= found
        waiting += sorted(found)
    assert dead == []
    assert len(seen) > 30
