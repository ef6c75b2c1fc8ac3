from __future__ import annotations

import hashlib
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from windmill.app.composing import HomeDrafts
from windmill.app.home import Home
from windmill.app.uploads import SCRIPT_MAX
from windmill.core.errors import Refused, Unavailable

SCRIPT = b"print('hello')\n"


class Uploads:
    """A home with a directory, a file, a zip and a git repository as projects; `records` is what the audit gets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "projects" / "shop").mkdir(parents=True)
        (root / "windmill.toml").write_text('[projects.reports]\ngit = "https://git.example.com/reports.git"\n')
        self.records: list[tuple[str, str, str]] = []
        self.drafts = HomeDrafts(Home(root, {}))

    def upload(self, file: str, content: bytes = SCRIPT, *, replaces: str = "") -> str:
        record = lambda *facts: self.records.append(facts)  # noqa: E731 -- the shortest way to keep all arguments
        return self.drafts.upload(file, BytesIO(content), replaces=replaces, record=record)

    def there(self) -> list[str]:
        return sorted(path.name for path in (self.root / "projects").iterdir())


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def zipped(*entries: tuple[str, bytes], link: str = "") -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, link)
    return buffer.getvalue()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_script_becomes_a_project(uploads: Uploads) -> None:
    assert uploads.upload("tool.py") == "tool"
    assert (uploads.root / "projects" / "tool.py").read_bytes() == SCRIPT
    assert uploads.records == [("projects/tool.py", "", sha(SCRIPT))]
    assert "tool" in [source.name for source in uploads.drafts.sources()]


def test_a_zip_becomes_a_project_as_it_was_sent(uploads: Uploads) -> None:
    content = zipped(("folder/main.py", SCRIPT))
    assert uploads.upload("reports-2.zip", content) == "reports-2"
    assert (uploads.root / "projects" / "reports-2.zip").read_bytes() == content


def test_a_browser_may_send_the_path_that_the_file_had_there(uploads: Uploads) -> None:
    assert uploads.upload("C:\\fakepath\\tool.py") == "tool"
    assert uploads.upload("/home/ana/other.py") == "other"


@pytest.mark.parametrize(
    "file",
    ["../tool.sh", "tool", ".py", "..py", "-x.py", "a b.py", "tool.PY", "x\n.py", "é.py", "a" * 101 + ".py", ""],
)
def test_a_name_that_is_no_project_is_refused_in_words(uploads: Uploads, file: str) -> None:
    with pytest.raises(Refused, match=r"neither a \.py nor a \.zip|cannot name a project"):
        uploads.upload(file)
    assert uploads.there() == ["shop"]


def test_no_name_leads_out_of_projects(uploads: Uploads) -> None:
    uploads.upload("../../../tool.py")
    assert uploads.there() == ["shop", "tool.py"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(("../evil.py", SCRIPT)), r'contains "\.\."'),
        (zipped(("/etc/evil.py", SCRIPT)), "is absolute"),
        (zipped(("a.py", SCRIPT), link="/etc/passwd"), "symbolic link"),
        (zipped(("bomb", bytes(80 << 20))), "200 times its size"),
        (zipped(), "holds no files"),
        (b"not a zip", "no whole zip file"),
        (b"", "is empty"),
    ],
)
def test_a_zip_that_a_sync_would_refuse_never_lies_under_projects(
    uploads: Uploads, content: bytes, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        uploads.upload("tool.zip", content)
    assert (uploads.there(), uploads.records) == (["shop"], [])
    assert list((uploads.root / ".windmill" / "uploads").iterdir()) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b"", b"x" * (SCRIPT_MAX + 1)])
def test_a_script_that_is_none_is_refused(uploads: Uploads, content: bytes) -> None:
    with pytest.raises(Refused, match=r"tool\.py"):
        uploads.upload("tool.py", content)
    assert uploads.there() == ["shop"]


@pytest.mark.parametrize(("file", "words"), [("shop.zip", "a directory"), ("reports.zip", "comes from git")])
def test_what_is_no_upload_is_never_replaced(uploads: Uploads, file: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        uploads.upload(file, zipped(("main.py", SCRIPT)))
    assert uploads.there() == ["shop"]


def test_a_project_does_not_become_one_of_another_kind(uploads: Uploads) -> None:
    uploads.upload("tool.py")
    with pytest.raises(Refused, match="a single file"):
        uploads.upload("tool.zip", zipped(("main.py", SCRIPT)))


def test_an_upload_replaces_what_it_names_and_nothing_else(uploads: Uploads) -> None:
    uploads.upload("tool.py")
    with pytest.raises(Refused, match="is there already"):
        uploads.upload("tool.py", b"new")
    uploads.upload("tool.py", b"new", replaces=uploads.drafts.digest_of("tool.py"))
    assert (uploads.root / "projects" / "tool.py").read_bytes() == b"new"
    assert uploads.records[-1] == ("projects/tool.py", sha(SCRIPT), sha(b"new"))


def test_what_a_killed_dashboard_left_is_gone_with_the_next_upload(uploads: Uploads) -> None:
    bench = uploads.root / ".windmill" / "uploads" / "bench"
    bench.mkdir(parents=True)
    (bench / "left.zip").touch()
    uploads.upload("tool.py")
    assert list(bench.parent.iterdir()) == []


def test_of_two_uploads_at_once_one_waits_for_another_time(uploads: Uploads) -> None:
    def meanwhile(*_facts: str) -> None:
        with pytest.raises(Unavailable, match="another upload"):
            uploads.upload("other.py")

    uploads.drafts.upload("tool.py", BytesIO(SCRIPT), replaces="", record=meanwhile)
    assert uploads.there() == ["shop", "tool.py"]
