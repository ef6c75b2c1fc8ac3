"""Acting from the pages of a real dashboard: forms as a browser without JavaScript sends them, a real scheduler."""

from __future__ import annotations

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

import pytest

from tests.support.git_server import Upstream
from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until

JOB = "entry_point: say.py\nargs: ['${params.word}']\nparams: [{name: word, default: hello}]\n"


class Visitor:
    """Somebody who came by the link that `windmill sign-in` prints; redirects are followed as browsers do."""

    def __init__(self, live: Live) -> None:
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.at, self.status, self.page = "", 0, ""
        self.go(re.findall(r"http\S+", live.cli("sign-in").stdout)[0])

    def go(self, path: str) -> str:
        """Look at the page and return it."""
        return self._take(urllib.request.Request(urljoin(self.at, path)))

    def form(self, action: str) -> dict[str, str]:
        """What the page's form for `action` would send as it stands."""
        found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', self.page, re.DOTALL)
        assert found, f"{self.at} has no form for {action}"
        inputs = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall(r"<input[^>]*>", found[0])]
        return {one["name"]: unescape(one.get("value", "")) for one in inputs if one.get("type") != "checkbox"}

    def send(self, action: str, **fields: str) -> str:
        """Send the page's form for `action`, and return the page it leads to."""
        return self.post(action, self.form(action) | fields)

    def post(self, action: str, fields: dict[str, str]) -> str:
        """Send these fields."""
        return self._take(urllib.request.Request(urljoin(self.at, action), urlencode(fields).encode()))

    def _take(self, request: urllib.request.Request) -> str:
        try:
            answer: HTTPResponse = self._browser.open(request, timeout=30)
        except HTTPError as error:
            answer = error  # type: ignore[assignment] # it is read as an answer is
        with answer:
            self.at, self.status, self.page = answer.url, answer.status, answer.read().decode()
        return self.page


@pytest.fixture
def visitor(live: Live) -> Visitor:
    """Somebody who signed in, where the jobs p/say and p/gated are."""
    live.script("say.py", "import sys\nprint(*sys.argv[1:])\n")
    live.job("say", JOB)
    live.up("--port", "0")
    until(lambda: "Dashboard: http" in live.messages(), timeout=60, what="the dashboard answers")
    until(lambda: "p/say" in {job["id"] for job in live.json("jobs")}, what="the job is known")
    return Visitor(live)


def test_a_job_is_run_with_what_was_written_and_says_who_asked(live: Live, visitor: Visitor) -> None:
    visitor.go("/jobs/p/say/run")
    visitor.send("/jobs/p/say/run", **{"param.word": "olá"})
    assert re.search(r"/executions/[0-9a-f]+$", visitor.at)
    until(lambda: live.ended("p/say"))
    (ran,) = live.ended("p/say")
    assert live.output(ran["id"]) == "olá\n".encode()
    audit = visitor.go("/audit")
    assert (ran["requested_by"] in audit, ran["id"][:8] in audit, bool(ran["requested_by"])) == (True, True, True)


def test_a_double_click_starts_once(live: Live, visitor: Visitor, gate: Gate) -> None:
    until(lambda: "p/gated" in {job["id"] for job in live.json("jobs")})
    visitor.go("/jobs/p/gated")
    fields = visitor.form("/jobs/p/gated/run")
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(lambda _: visitor.post("/jobs/p/gated/run", fields), range(2))
    gate.open()
    until(lambda: live.ended("p/gated"))
    assert len(live.executions("p/gated")) == 1
    identity = live.executions("p/gated")[0]["id"]
    assert identity in first
    assert identity in second


def test_what_runs_already_is_refused_with_a_way_to_it_and_can_be_stopped(
    live: Live, visitor: Visitor, gate: Gate
) -> None:
    until(lambda: "p/gated" in {job["id"] for job in live.json("jobs")})
    visitor.go("/jobs/p/gated")
    visitor.send("/jobs/p/gated/run")
    execution = visitor.at.rpartition("/")[2]
    until(lambda: [one["state"] for one in live.executions("p/gated")] == ["running"])
    visitor.go("/jobs/p/gated")
    refused = visitor.send("/jobs/p/gated/run")
    assert (visitor.status, f"/executions/{execution}" in refused) == (409, True)
    visitor.go(f"/executions/{execution}/stop")
    visitor.send(f"/executions/{execution}/stop")
    until(lambda: live.ended("p/gated"))
    (stopped,) = live.ended("p/gated")
    assert (stopped["state"], gate.path.exists()) == ("stopped", False)


def test_a_rerun_runs_the_definition_of_then(live: Live, visitor: Visitor) -> None:
    live.cli("run", "say", "-p", "word=then")
    (ran,) = live.ended("p/say")
    live.job("say", JOB.replace("args: [", "args: [now, "))
    until(lambda: live.json("show", "say")["job"]["digest"] != ran["job_digest"])
    visitor.go(f"/executions/{ran['id']}/rerun")
    visitor.send(f"/executions/{ran['id']}/rerun", how="exact")
    until(lambda: len(live.ended("p/say")) == 2)
    again = live.ended("p/say")[1]
    assert (live.output(again["id"]), again["retry_of"]) == (b"then\n", ran["id"])


def test_a_job_is_paused_and_resumed(live: Live, visitor: Visitor) -> None:
    visitor.go("/jobs/p/say/pause")
    visitor.send("/jobs/p/say/pause", until="2h", note="database upgrade")
    until(lambda: (live.json("show", "say")["job"]["paused"] or {}).get("note") == "database upgrade")
    assert "database upgrade" in visitor.go("/jobs/p/say")
    visitor.send("/jobs/p/say/resume")
    until(lambda: live.json("show", "say")["job"]["paused"] is None)


def test_without_a_scheduler_a_wish_waits_and_leads_on_when_one_runs(live: Live, visitor: Visitor) -> None:
    visitor.go("/jobs/p/say/run")
    fields = visitor.form("/jobs/p/say/run")
    live.kill()
    live.up()  # the dashboard of the one that was killed ends with it
    live.terminate()
    dashboard = live.terminal("dashboard", "--port", visitor.at.split(":")[2].partition("/")[0])
    try:
        until(lambda: "Run now" in _go(visitor, "/jobs/p/say/run"), timeout=60)
        fields = visitor.form("/jobs/p/say/run")
        waiting = visitor.post("/jobs/p/say/run", fields)
        assert "No scheduler is running" in waiting
        live.up()
        until(lambda: "/executions/" in (_go(visitor, f"/requests/{fields['identity']}") and visitor.at))
    finally:
        dashboard.terminate()
        dashboard.communicate(timeout=20)


def _go(visitor: Visitor, path: str) -> str:
    try:
        return visitor.go(path)
    except OSError:  # nobody listens yet
        return ""


def test_a_project_is_synced_with_one_click(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream")
    upstream.commit({"main.py": "print('a')\n", "jobs.d/job.yaml": "entry_point: main.py\n"}, "Say a")
    settings = f'[projects.r]\ngit = "file://{upstream.path}"\npoll = "1h"\n'
    with Live(tmp_path / "home", settings) as live:
        live.up("--port", "0")
        until(lambda: live.ended("r/@sync"), timeout=60)
        until(lambda: "Dashboard: http" in live.messages(), timeout=60)
        upstream.commit({"main.py": "print('b')\n"}, "Say b")
        visitor = Visitor(live)
        visitor.go("/projects")
        visitor.send("/projects/r/sync")
        until(lambda: live.json("projects", "r")["revision"].endswith(upstream.head()), timeout=60)
