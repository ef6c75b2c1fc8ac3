"""The manual as the dashboard shows it."""

from __future__ import annotations

import re
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest

from tests.support.dashboard import Site
from windmill.dashboard import manual

MANUAL = Path(str(files("windmill") / "docs"))
CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e\x1b[31m"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def shown(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html.partition("<main")[2])))


def test_every_file_of_the_manual_is_a_page_and_linked_from_the_first(site: Site) -> None:
    first = site.client.get("/help").text
    names = {path.relative_to(MANUAL).with_suffix("").as_posix() for path in MANUAL.rglob("*.md")}
    assert names == set(manual.pages())
    assert {name for name in names if f'href="/help/{name}"' not in first} == set()


@pytest.mark.parametrize("name", manual.pages())
def test_every_link_and_every_anchor_of_a_page_leads_somewhere(site: Site, name: str) -> None:
    answer = site.client.get(f"/help/{name}")
    assert answer.status_code == 200
    article = answer.text.partition("<article")[2].partition("</article>")[0]
    ids = {f"/help/{name}": set(re.findall(r'id="([^"]+)"', article))}
    for link in re.findall(r'href="([^"]*)"', answer.text.partition("<main")[2]):
        path, _, anchor = unescape(link).partition("#")
        if "://" in path or not path.startswith(("/help", "")):
            continue
        path = path or f"/help/{name}"
        if path not in ids:
            there = site.client.get(path)
            assert there.status_code == 200, link
            ids[path] = set(re.findall(r'id="([^"]+)"', there.text))
        assert not anchor or anchor in ids[path], link


def test_no_page_links_to_a_file_that_only_the_repository_has(site: Site) -> None:
    for name in manual.pages():
        article = site.client.get(f"/help/{name}").text.partition("<article")[2]
        assert not re.search(r'href="(?!/help|#|https?://)', article), name


@pytest.mark.parametrize(
    "path",
    [
        "/help/../../../etc/passwd",
        "/help/..%2f..%2fetc%2fpasswd",
        "/help/quickstart.md",
        "/help//etc/passwd",
        "/help/decisions/",
        "/help/decisions/..",
        "/help/%00",
    ],
)
def test_what_is_no_page_of_the_manual_is_not_found(site: Site, path: str) -> None:
    assert site.client.get(path).status_code in {301, 308, 404}
    assert site.client.get(path, follow_redirects=True).status_code == 404


def test_an_unknown_page_names_those_that_are_called_alike(site: Site) -> None:
    assert "There is scheduling" in shown(site.client.get("/help/schedulin").text)


def test_a_page_has_its_headings_beside_it(site: Site) -> None:
    html = site.client.get("/help/operating").text
    beside = html.partition('<nav class="contents"')[2]
    assert '<a href="#push-webhooks">' in beside
    assert 'id="push-webhooks"' in html


def test_tables_and_code_have_room_of_their_own_and_no_style_within(site: Site) -> None:
    html = site.client.get("/help/projects").text
    assert '<div class="scroll" tabindex="0"><table>' in html
    assert '<pre class="code" tabindex="0"><code>' in html
    assert "style=" not in html


def test_a_search_shows_the_place_where_the_words_stand(site: Site) -> None:
    page = site.client.get("/help?q=webhook secret").text
    assert '<a href="/help/projects#at-a-push">' in page
    assert "<mark>" in page


def test_a_search_finds_whatever_the_case_and_also_a_heading_alone(site: Site) -> None:
    assert "/help/operating#push-webhooks" in site.client.get("/help?q=PUSH WEBHOOKS").text


def test_a_search_that_finds_nothing_says_what_to_do(site: Site) -> None:
    page = shown(site.client.get("/help?q=zeppelin").text)
    assert "0 places for “zeppelin” Nothing in the manual has all of these words." in page


def test_nothing_that_was_asked_becomes_markup(site: Site) -> None:
    html = site.client.get("/help", query_string={"q": CANARY}).text
    assert "&lt;script&gt;" in html
    assert not re.search("<script>|\\b49\\b|\u202e|\x1b", html)


def test_a_very_long_question_is_cut(site: Site) -> None:
    assert len(site.client.get("/help", query_string={"q": "x" * 5000}).text) < 20_000


def test_every_page_is_summed_up_in_a_line_that_begins_as_its_text_or_its_headings_do() -> None:
    summaries = {name: page.summary for name, page in manual.pages().items()}
    assert all(summaries.values())
    assert summaries["projects"] == "A project is the code that jobs run."
    assert summaries["operating"].count(" · ") == manual.SUMMED_UP - 1
