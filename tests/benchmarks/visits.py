"""How long the dashboard takes for its pages, by a store of very many executions: every route that answers GET.

What is measured is the application as a server calls it, from the request to the last byte of the answer, without
network. The same fixed work is measured beside it, as a machine that others use as well is slow at everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient

from tests.benchmarks.machine import percentile
from tests.benchmarks.table import Row
from tests.support.executions import START, identity
from tests.support.population import commit
from windmill.app.home import Home
from windmill.app.stores import Stores
from windmill.app.web import facts_of
from windmill.dashboard.access import Access, Role
from windmill.dashboard.factory import create_app

BUDGET_MS: Final = 100
FAILED: Final = 7  # an execution that did
_FIXED: Final = {str(one): [one, {"name": f"n{one}", "text": "x" * 40}] for one in range(2000)}
# Streams last as long as what they show, what people sign in with is sealed on purpose, and files are files.
_NOT_MEASURED: Final = frozenset({"static", "sign_in.ask", "sign_in.answered", "again.stop_form"})
_DOWNLOADS: Final = frozenset({"/executions.csv"})  # of 10,000 rows; nobody waits for a page
_STREAMS: Final = ("stream", "events")


def addresses(number: int) -> Mapping[str, str]:
    """Return what people open, by what it is called in the table; all of it among `number` executions."""
    now = START + timedelta(seconds=30 * number)
    failed, last, job = identity(FAILED), identity(number - 100), "p7/j17"
    api, of_job = "/api/v1", "/api/v1/projects/p7/jobs/j17"
    listed = {
        "": "",
        "of a job": f"job={job}",
        "of a project": "project=p7",
        "failed": "state=failed&state=lost",
        "by hand": "trigger=manual",
        "text": "q=j133",
        "text of many jobs": "q=p3/",
        "part of an id": f"q={identity(number // 2)[:7]}",
        "of a revision": f"revision={commit(1)[:8]}",
        "longer than": "longer_than=30m",
        "longer than (none)": "longer_than=2d",
        "output contains": "contains=needle",
        "output contains (none)": "contains=no+such+words",
        "of a label": "label=team",
        "of a day": f"from={now - timedelta(days=200):%Y-%m-%d}&to={now - timedelta(days=199):%Y-%m-%d}",
    }
    return {
        "jobs": "/",
        "jobs, searched": "/?q=j13&state=succeeded",
        "jobs, page 15": "/?page=15",
        **{f"executions {name}".strip(): f"/executions?{query}" for name, query in listed.items()},
        "executions as table": "/executions.csv",
        "execution": f"/executions/{last}",
        "execution that failed": f"/executions/{failed}",
        "execution, output": f"/executions/{last}/output.txt",
        "execution, run again": f"/executions/{failed}/rerun",
        "job": f"/jobs/{job}",
        "job, run": f"/jobs/{job}/run",
        "job, pause": f"/jobs/{job}/pause",
        "no such job": "/jobs/p7/j1x7",
        "upcoming": "/upcoming",
        "upcoming, a week": "/upcoming?hours=168",
        "projects": "/projects",
        "project": "/projects/p7",
        "project, sync": "/projects/p7/sync",
        "problems": "/problems",
        "audit": "/audit",
        "audit, searched": "/audit?who=nobody",
        "request": "/requests/7",
        "compose": "/compose",
        "compose, file": "/compose/file?job=p7/j17",
        "help": "/help",
        "help, chapter": "/help/dashboard",
        "sign in": "/sign-in",
        "status": "/status",
        "heart": "/heart",
        "health": "/health",
        "ready": "/ready",
        "metrics": "/metrics",
        "api: status": f"{api}/status",
        "api: jobs": f"{api}/jobs",
        "api: job": of_job,
        "api: schedule": f"{of_job}/schedule",
        "api: revisions of a job": f"{of_job}/revisions",
        "api: stats": f"{of_job}/stats",
        "api: executions": f"{api}/executions?limit=200",
        "api: execution": f"{api}/executions/{last}",
        "api: output": f"{api}/executions/{last}/output",
        "api: upcoming": f"{api}/upcoming",
        "api: projects": f"{api}/projects",
        "api: project": f"{api}/projects/p7",
        "api: revisions of a project": f"{api}/projects/p7/revisions",
        "api: problems": f"{api}/problems",
        "api: audit": f"{api}/audit",
        "api: request": f"{api}/requests/{'0' * 32}",
        "api: openapi": f"{api}/openapi.json",
        "api: schema of jobs": f"{api}/schema/job.json",
        "api: schema of projects": f"{api}/schema/project.json",
    }


def visits(home: Path, number: int, times: int) -> Iterator[Row]:
    """Open every page of the home's dashboard so many times."""
    asked = addresses(number)
    with closing(Stores(Home(home, {}))) as stores:
        facts = replace(
            facts_of(Home(home, {}), stores),
            clock=lambda: START + timedelta(seconds=30 * number),
            access=lambda: Access(anonymous=Role.ACT),
        )
        app = create_app(facts)
        client = app.test_client()
        opened = {app.url_map.bind("localhost").match(path.partition("?")[0])[0] for path in asked.values()}
        for name, path in asked.items():
            yield _visited(client, name, path, times)
        rules = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
        left = {one for one in rules - opened - _NOT_MEASURED if not one.endswith(_STREAMS)}
        if left:
            yield Row(measure="every page", measured="", wrong=f"not opened: {', '.join(sorted(left))}")


def _visited(client: FlaskClient, name: str, path: str, times: int) -> Row:
    taken, beside, worked = [], [], []
    size = code = 0
    client.get(path).get_data()  # what a process reads once: templates, the jobs
    for _ in range(times):
        beside.append(_fixed_work())
        began, cpu = time.perf_counter(), time.thread_time()
        answer = client.get(path)
        size, code = len(answer.get_data()), answer.status_code
        taken.append((time.perf_counter() - began) * 1000)
        worked.append((time.thread_time() - cpu) * 1000)
        answer.close()
    p95, reference = percentile(taken, 0.95), percentile(beside, 0.5)
    return Row(
        measure=name,
        measured=f"p50 {percentile(taken, 0.5):.1f}, p95 {p95:.1f} ms",
        budget="" if path in _DOWNLOADS else f"< {BUDGET_MS} ms",
        within=None if path in _DOWNLOADS else p95 < BUDGET_MS,
        ratio=f"x{percentile(taken, 0.5) / reference:.2f}",
        remarks=f"cpu {percentile(worked, 0.5):.1f} ms; {path} {code}, {size >> 10} KiB" if code < 500 else "",
        wrong=f"{path} answers {code}" if code >= 500 else "",
    )


def _fixed_work() -> float:
    """Return the milliseconds of the same work as ever: about ten on a machine of 2024."""
    began = time.perf_counter()
    for _ in range(5):
        json.loads(json.dumps(_FIXED))
    return (time.perf_counter() - began) * 1000
