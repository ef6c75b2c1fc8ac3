from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.builders import a_job, a_running_execution, an_execution
from tests.support.dashboard import Site
from tests.support.executions import document
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock

CANARY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u202e\x1b[31m"
HOSTILE = re.compile("<script>|<img src=x|\\b49\\b|\u202e|\x1b")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def html(site: Site, path: str) -> str:
    return site.client.get(path).get_data(as_text=True)


def listed(site: Site, query: str) -> list[Document]:
    items: list[Document] = site.client.get(f"/api/v1/executions?{query}").get_json()["items"]
    return items


def test_where_nothing_ran_the_page_says_how_something_would(site: Site) -> None:
    assert "Nothing has run yet" in html(site, "/executions")


def test_an_execution_stands_there_with_its_state_and_a_way_to_it(site: Site) -> None:
    site.put(Batch(executions=[an_execution(state=State.FAILED, exit_code=1, reason="not_started: no Python")]))
    page = html(site, "/executions")
    assert 'href="/executions/0000000000000001"' in page
    assert "not started: no Python" in page
    assert re.search(r"✕</span>\s*Failed", page.partition("<tbody>")[2])


def test_the_filter_of_the_address_stands_in_the_form_and_restricts(site: Site) -> None:
    site.put(Batch(executions=[document(1, State.FAILED), document(2)]))
    page = html(site, "/executions?state=failed&q=job")
    assert 'name="state" value="failed" checked' in page
    assert 'name="q" value="job"' in page
    assert page.partition("<tbody>")[2].count("<tr>") == 1


def test_where_nothing_matches_the_filters_can_be_cleared(site: Site) -> None:
    site.put(Batch(executions=[document(1)]))
    assert re.search(r'No execution matches. <a href="/executions">', html(site, "/executions?q=other"))


@pytest.mark.parametrize("query", ["last=soon", "cursor=nonsense", "state=broken"])
def test_an_address_that_cannot_be_read_is_answered_in_words(site: Site, query: str) -> None:
    answer = site.client.get(f"/executions?{query}")
    assert (answer.status_code, 'role="alert"' in answer.get_data(as_text=True)) == (400, True)
    assert site.client.get(f"/api/v1/executions?{query}").status_code == 422
    assert site.client.get(f"/executions.csv?{query}").status_code == 400


def test_pages_follow_each_other_without_a_gap_and_keep_the_filter(site: Site) -> None:
    site.put(Batch(executions=[document(number) for number in range(120)]))
    found: list[str] = []
    path = "/executions?project=p"
    while path:
        page = html(site, path)
        found += re.findall(r'href="/executions/([0-9a-f]{16})"', page)
        older = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""
        assert "project=p" in path or not path
    assert found == [one["id"] for one in map(document, reversed(range(120)))]


def test_labels_name_the_jobs_that_carry_them(site: Site) -> None:
    jobs = [a_job(id="p/a", labels={"team": "sales"}), a_job(id="p/b")]
    site.put(Batch(jobs=jobs, executions=[document(1, job="p/a"), document(2, job="p/b")]))
    assert [one["job"] for one in listed(site, "label=team=sales")] == ["p/a"]


def test_what_output_contains_finds_its_execution(site: Site) -> None:
    block = OutputBlock(document(1)["id"], 1, 1, 1, 0, b"KeyError: 'cpf'")
    site.put(Batch(executions=[document(1), document(2)], output=[block]))
    assert [one["id"] for one in listed(site, "contains=KeyError")] == [document(1)["id"]]


def test_programs_get_the_same_by_pages_of_their_size(site: Site) -> None:
    site.put(Batch(executions=[document(number) for number in range(3)]))
    first = site.client.get("/api/v1/executions?limit=2").get_json()
    second = site.client.get(f"/api/v1/executions?limit=2&cursor={quote(first['next'])}").get_json()
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    assert "limit" in site.client.get("/api/v1/executions?limit=201").get_json()["message"]


def test_a_table_file_holds_all_pages_and_no_formula(site: Site) -> None:
    formula = document(1, State.FAILED, reason='=HYPERLINK("https://evil.example")')
    site.put(Batch(executions=[formula, *(document(number) for number in range(2, 300))]))
    answer = site.client.get("/executions.csv")
    rows = list(csv.DictReader(answer.get_data(as_text=True).splitlines()))
    assert (answer.mimetype, len(rows)) == ("text/csv", 299)
    assert rows[-1]["reason"] == '\'=HYPERLINK("https://evil.example")'


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    hostile = {"job": f"p/{CANARY}", "reason": CANARY, "requested_by": CANARY, "revision": f"{CANARY}:{CANARY}"}
    texts = hostile | {"author": CANARY, "subject": CANARY, "params": {CANARY: CANARY}, "signal": CANARY}
    failed, running = an_execution(state=State.FAILED, **texts), a_running_execution(id="2" * 16, **texts)
    block = OutputBlock(failed["id"], 1, 1, 1, 0, CANARY.encode())
    site.put(Batch(jobs=[a_job(id=f"{CANARY}/x")], executions=[failed, running], output=[block]))
    query = "&".join(f"{name}={quote(CANARY)}" for name in ("q", "job", "label", "revision", "contains", "project"))
    for path in ("/executions", f"/executions?{query}", "/executions?last=" + quote(CANARY)):
        assert "&lt;script&gt;" in html(site, path)
        assert not HOSTILE.search(html(site, path)), path
    for identity in (failed["id"], running["id"]):
        assert html(site, f"/executions/{identity}").count("&lt;script&gt;") >= 7
        assert not HOSTILE.search(html(site, f"/executions/{identity}"))
