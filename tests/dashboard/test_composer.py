from __future__ import annotations

import hashlib
import re
from contextlib import closing
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zipfile import ZipFile

import pytest
from werkzeug.test import TestResponse

from tests.support.builders import a_job
from tests.support.dashboard import Site
from windmill.core.documents import Document
from windmill.core.ports import Batch
from windmill.dashboard.access import Role
from windmill.dashboard.composing import FIELDS
from windmill.store.sqlite import SqliteStore

GOOD = {"project": "shop", "entry_point": "main.py", "name": "nightly", "when": "cron", "cron": "0 6 * * *"}
FILE = """\
# yaml-language-server: $schema=../.windmill/job.schema.json
name: nightly
project: shop
entry_point: main.py
schedule:
  cron: "0 6 * * *"
"""
SCRIPT = b"print('hello')\n"


class Composer(Site):
    """The dashboard of a home with the projects shop, a directory, and reports, from git; its zone is Lisbon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "projects" / "shop" / "jobs").mkdir(parents=True)
        for name in ("main.py", "jobs/sales.py"):
            (root / "projects" / "shop" / name).touch()
        git = '[projects.reports]\ngit = "https://git.example.com/reports.git"\n'
        (root / "windmill.toml").write_text(f'timezone = "Europe/Lisbon"\n{git}')
        super().__init__(root / "windmill.db")

    def compose(self, **fields: str) -> str:
        """The page that comes of the fields."""
        answer = self.client.get("/compose", query_string=fields)
        assert answer.status_code == 200
        return answer.get_data(as_text=True)

    def place(self, fields: dict[str, str] | None = None, *, replaces: str = "") -> TestResponse:
        data = {"csrf_token": self.token(), "query": urlencode(fields or GOOD), "replaces": replaces}
        return self.client.post("/compose/place", data=data)

    def upload(self, file: str, content: bytes = SCRIPT, *, replaces: str = "") -> TestResponse:
        data: dict[str, Any] = {"csrf_token": self.token(), "query": "name=nightly", "replaces": replaces}
        answer = self.client.post("/compose/upload", data=data | {"file": (BytesIO(content), file)})
        answer.request.environ["wsgi.input"].close()  # where the client keeps what is large
        return answer

    def audit(self) -> list[Document]:
        with closing(SqliteStore(self.database, readonly=True)) as store:
            return store.requests().items

    def placed(self) -> list[str]:
        return (
            sorted(path.name for path in (self.root / "jobs.d").iterdir()) if (self.root / "jobs.d").exists() else []
        )


@pytest.fixture
def site(tmp_path: Path) -> Composer:
    return Composer(tmp_path)


def yaml_of(page: str) -> str:
    found = re.search(r'<pre class="code" id="yaml" tabindex="0">(.*?)</pre>', page, re.DOTALL)
    assert found
    return unescape(found[1])


def words_of(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# What the form comes to


def test_an_empty_form_says_nothing_of_mistakes(site: Composer) -> None:
    page = site.compose()
    assert "to mend" not in page
    assert all(f'name="{field}"' in page for field in FIELDS)


def test_the_form_becomes_a_file_and_its_next_ten_starts(site: Composer) -> None:
    page = site.compose(**GOOD)
    assert yaml_of(page) == FILE
    assert page.count("<time datetime=") >= 10
    assert "Europe/Lisbon" in words_of(page)
    assert "a valid job" in page


def test_mistakes_stand_at_their_fields_and_in_a_list_that_leads_to_them(site: Composer) -> None:
    page = site.compose(**GOOD | {"cron": "0 25 * * *", "timeout": "soon", "env": "A"})
    assert "3 things to mend" in words_of(page)
    for field, words in (
        ("cron", "not a cron expression"),
        ("timeout", "timeout is not valid"),
        ("env", "NAME=value"),
    ):
        assert f'<a href="#f-{field}">' in page
        assert f'id="f-{field}"' in page
        beside = re.search(rf'id="e-{field}">(.*?)</div>', page)
        assert beside
        assert words in unescape(beside[1])
        assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"', page)


@pytest.mark.parametrize(
    ("missing", "field"), [("name", "name"), ("project", "project"), ("entry_point", "entry_point"), ("cron", "cron")]
)
def test_what_is_missing_is_told_at_its_field(site: Composer, missing: str, field: str) -> None:
    page = site.compose(**GOOD | {missing: ""})
    assert re.search(rf'id="e-{field}"><p class="wrong">', page)
    assert "One thing to mend" in page


def test_a_warning_is_told_and_is_no_mistake(site: Composer) -> None:
    page = site.compose(**GOOD | {"entry_point": "gone.py"})
    assert 'id="e-entry_point"><p class="odd">' in page
    assert "a valid job" in page


def test_files_of_the_project_can_be_picked_without_a_script(site: Composer) -> None:
    page = site.compose(project="shop")
    assert re.findall(r'name="pick" value="([^"]*)"', page) == ["main.py", "jobs/sales.py"]
    assert "entry_point: jobs/sales.py" in yaml_of(site.compose(**GOOD | {"pick": "jobs/sales.py"}))


@pytest.mark.parametrize("project", ["..", "../..", "/etc", ".windmill", "shop/../.."])
def test_only_projects_are_browsed(site: Composer, project: str) -> None:
    assert 'name="pick"' not in site.compose(project=project)


def test_a_job_that_is_there_can_be_begun_with(site: Composer) -> None:
    document = {"entry_point": "main.py", "schedule": {"interval": "1h30m", "spread": "5m"}, "owner": "ana"}
    site.put(Batch(jobs=[a_job(id="shop/old", document=document)]))
    text = yaml_of(site.compose(job="shop/old"))
    assert text.endswith("schedule:\n  interval:\n    hours: 1\n    minutes: 30\n  spread: 5m\nowner: ana\n")
    assert site.client.get("/compose?job=shop/other").status_code == 404


def test_a_job_that_another_file_describes_is_not_described_again(site: Composer) -> None:
    site.put(Batch(jobs=[a_job(id="shop/nightly", file="projects/shop/jobs.d/x.yaml")]))
    assert "projects/shop/jobs.d/x.yaml describes a job of this name already" in words_of(site.compose(**GOOD))
    site.sign_in()
    assert (site.place().status_code, site.placed()) == (409, [])


def test_the_file_can_be_kept(site: Composer) -> None:
    answer = site.client.get("/compose/file", query_string=GOOD)
    assert answer.get_data(as_text=True) == FILE
    assert answer.headers["Content-Disposition"] == "attachment; filename=nightly.yaml"
    assert answer.mimetype == "application/yaml"


@pytest.mark.parametrize("name", ['"; x="', "../../etc/passwd", "a\nb", "é", ""])
def test_a_file_of_an_odd_name_is_kept_by_a_plain_one(site: Composer, name: str) -> None:
    answer = site.client.get("/compose/file", query_string=GOOD | {"name": name})
    assert answer.headers["Content-Disposition"] == "attachment; filename=job.yaml"


CANARY = '"><script>alert(1)</script>\n{{7*7}}\x1b[2J\u202e'


@pytest.mark.parametrize(
    "field", [*FIELDS, "param_name", "param_default", "param_enum", "param_about", "pick", "job"]
)
def test_no_field_becomes_markup(site: Composer, field: str) -> None:
    answer = site.client.get("/compose", query_string=GOOD | {field: CANARY})
    page = answer.get_data(as_text=True)
    assert answer.status_code in (200, 404)
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_no_field_is_too_large_for_the_page(site: Composer, field: str) -> None:
    assert "to mend" in words_of(site.compose(**GOOD | {field: "x" * 50_000}))


# Who may do what


def test_who_only_reads_is_shown_no_form_that_acts(site: Composer) -> None:
    page = site.compose(**GOOD)
    assert 'action="/compose/place"' not in page
    assert 'action="/compose/upload"' not in page
    site.sign_in()
    page = site.compose(**GOOD)
    assert 'action="/compose/place"' in page
    assert 'action="/compose/upload"' in page


@pytest.mark.parametrize("path", ["/compose/place", "/compose/upload"])
def test_who_only_reads_cannot_act(site: Composer, path: str) -> None:
    site.sign_in(Role.READ)
    data = {"csrf_token": site.token(), "query": urlencode(GOOD)}
    assert site.client.post(path, data=data).status_code == 403
    assert (site.placed(), site.audit()) == ([], [])


@pytest.mark.parametrize("path", ["/compose/place", "/compose/upload"])
def test_a_form_that_no_page_of_ours_showed_does_nothing(site: Composer, path: str) -> None:
    site.sign_in()
    assert site.client.post(path, data={"query": urlencode(GOOD)}).status_code == 400
    assert site.placed() == []


@pytest.mark.parametrize("path", ["/compose/place", "/compose/upload"])
def test_a_dashboard_without_actions_has_no_such_routes(tmp_path: Path, path: str) -> None:
    site = Site(tmp_path / "windmill.db", actions=False)
    assert site.client.post(path).status_code in (404, 405)


# Placing


def test_a_placed_job_lies_where_the_scheduler_reads_it_and_in_the_audit(site: Composer) -> None:
    site.sign_in()
    answer = site.place()
    assert answer.status_code == 303
    assert (site.root / "jobs.d" / "nightly.yaml").read_text() == FILE
    (record,) = site.audit()
    told = {key: record[key] for key in ("kind", "job", "by", "via", "address", "state", "answer")}
    assert told == {
        "kind": "place",
        "job": "shop/nightly",
        "by": "ana",
        "via": "dashboard",
        "address": "127.0.0.1",
        "state": "done",
        "answer": {"file": "jobs.d/nightly.yaml", "before": "", "after": sha(FILE.encode())},
    }
    page = words_of(site.client.get(answer.location).get_data(as_text=True))
    assert "Placed as jobs.d/nightly.yaml" in page
    assert "The home has exactly this file." in page


def test_a_file_is_replaced_by_who_saw_what_changes(site: Composer) -> None:
    site.sign_in()
    site.place()
    changed = GOOD | {"cron": "0 7 * * *"}
    page = site.compose(**changed)
    assert '-  cron: "0 6 * * *"\n+  cron: "0 7 * * *"' in unescape(page)
    seen = re.search(r'name="replaces" value="([^"]*)"', page)
    assert seen
    assert site.place(changed).status_code == 409
    assert site.place(changed, replaces=seen[1]).status_code == 303
    assert "0 7" in (site.root / "jobs.d" / "nightly.yaml").read_text()
    assert {one["answer"]["before"] for one in site.audit()} == {"", sha(FILE.encode())}


def test_a_file_that_changed_meanwhile_is_left_and_shown_again(site: Composer) -> None:
    site.sign_in()
    site.place()
    (site.root / "jobs.d" / "nightly.yaml").write_text("# by hand\n" + FILE)
    answer = site.place(GOOD | {"cron": "0 7 * * *"}, replaces=sha(FILE.encode()))
    assert answer.status_code == 409
    assert "was changed since you looked at it" in words_of(answer.get_data(as_text=True))
    assert (site.root / "jobs.d" / "nightly.yaml").read_text().startswith("# by hand")


def test_a_link_in_jobs_d_is_not_written_through(site: Composer) -> None:
    (site.root / "jobs.d").mkdir()
    (site.root / "victim").write_text("theirs")
    (site.root / "jobs.d" / "nightly.yaml").symlink_to(site.root / "victim")
    site.sign_in()
    assert site.place(replaces=sha(b"theirs")).status_code == 409
    assert (site.root / "victim").read_text() == "theirs"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../x"},
        {"name": ""},
        {"name": ".x"},
        {"cron": "never"},
        {"project": "other"},
        {"entry_point": "/bin/sh"},
    ],
)
def test_what_is_no_job_is_not_placed(site: Composer, fields: dict[str, str]) -> None:
    site.sign_in()
    assert site.place(GOOD | fields).status_code == 409
    assert (site.placed(), site.audit()) == ([], [])


def test_a_job_of_a_git_project_is_for_its_repository(site: Composer) -> None:
    site.sign_in()
    fields = GOOD | {"project": "reports"}
    page = site.compose(**fields)
    assert "commit this file as jobs.d/nightly.yaml in its repository" in words_of(page)
    assert 'action="/compose/place"' not in page
    answer = site.place(fields)
    assert answer.status_code == 409
    assert "change in git only" in words_of(answer.get_data(as_text=True))
    assert site.placed() == []


def test_nothing_is_placed_that_the_audit_cannot_keep(site: Composer) -> None:
    site.sign_in()
    token = site.token()
    site.database.unlink()
    data = {"csrf_token": token, "query": urlencode(GOOD), "replaces": ""}
    assert site.client.post("/compose/place", data=data).status_code == 503
    assert site.placed() == []


def test_a_form_of_too_many_fields_is_refused(site: Composer) -> None:
    site.sign_in()
    data = {"csrf_token": site.token(), "query": "param_name=x&" * 1000}
    assert site.client.post("/compose/place", data=data).status_code == 400


# Code


def test_an_uploaded_script_is_a_project_and_in_the_audit(site: Composer) -> None:
    site.sign_in()
    answer = site.upload("tool.py")
    assert answer.status_code == 303
    assert (site.root / "projects" / "tool.py").read_bytes() == SCRIPT
    (record,) = site.audit()
    assert (record["kind"], record["by"], record["state"]) == ("upload", "ana", "done")
    assert record["answer"] == {"file": "projects/tool.py", "before": "", "after": sha(SCRIPT)}
    page = site.client.get(answer.location).get_data(as_text=True)
    assert "The project tool is there." in page
    assert "<option selected>tool</option>" in page
    assert 'value="nightly"' in page


def test_an_upload_replaces_the_file_that_was_chosen_as_it_was_shown(site: Composer) -> None:
    site.sign_in()
    site.upload("tool.py")
    choices = re.findall(r'<option value="(tool\.py:[^"]*)"', site.compose())
    assert choices == [f"tool.py:{sha(SCRIPT)}"]
    assert site.upload("tool.py", b"new").status_code == 409
    assert site.upload("new-name.zip", b"new", replaces=choices[0]).status_code == 409
    assert site.upload("new-name.py", b"new", replaces=choices[0]).status_code == 303
    assert (site.root / "projects" / "tool.py").read_bytes() == b"new"


def test_a_zip_that_leads_out_is_refused_in_words(site: Composer) -> None:
    site.sign_in()
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.py", SCRIPT)
    answer = site.upload("tool.zip", buffer.getvalue())
    assert answer.status_code == 409
    assert "the entry '../evil.py' contains" in words_of(answer.get_data(as_text=True))
    assert sorted(path.name for path in (site.root / "projects").iterdir()) == ["shop"]
    assert site.audit() == []


def test_an_upload_of_nothing_asks_for_a_file(site: Composer) -> None:
    site.sign_in()
    data = {"csrf_token": site.token(), "query": ""}
    assert site.client.post("/compose/upload", data=data).status_code == 400


def test_only_an_upload_by_who_may_is_large(site: Composer) -> None:
    large = SCRIPT * (1 << 17)
    assert site.upload("tool.py", large).status_code == 413
    site.sign_in()
    assert site.upload("tool.py", large).status_code == 303
    data = {"csrf_token": site.token(), "query": "x" * (2 << 20)}
    assert site.client.post("/compose/place", data=data).status_code == 413
