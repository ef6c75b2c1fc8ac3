from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.projects.fingerprint import fingerprint
from windmill.projects.known import KnownProjects
from windmill.projects.poller import Poller
from windmill.projects.published import Attempt, Outcome, Published
from windmill.projects.settings import ProjectSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Watched:
    """A home with one archive, and a poller on it; `attempted` is what the last sync would have left."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: list[str] = []
        self.understood = True
        self.busy = False
        self.told: list[Document] = []
        self.attempted: Attempt | None = None
        (home / "projects").mkdir()
        self.projects = KnownProjects(home, home / ".windmill", dict, "python3")

    def pack(self, text: str) -> None:
        temporary = self.home / "new.zip"
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr("main.py", text)
        temporary.replace(self.home / "projects" / "packed.zip")

    def ask(self, project: str) -> bool:
        self.asked.append(project)
        return self.understood

    def tell(self, documents: list[Document]) -> None:
        self.told = documents

    @property
    def sync(self) -> str:
        return str(self.told[0]["sync"]) if self.told else ""

    @contextmanager
    def polling(self) -> Iterator[Poller]:
        poller = Poller(
            projects=self.projects.all,
            published=lambda project: Published(project=project.name, attempted=self.attempted),
            ask=self.ask,
            busy=lambda _: self.busy,
            tell=self.tell,
            clock=lambda: NOW,
        )
        poller.start()
        try:
            yield poller
        finally:
            poller.stop(5)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def attempt(fingerprint: str, outcome: Outcome = Outcome.PUBLISHED) -> Attempt:
    return Attempt(fingerprint=fingerprint, revision="sha256:1", at="2026-01-01T00:00:00.000Z", outcome=outcome)


def test_a_source_that_was_never_attempted_is_asked_for(watched: Watched) -> None:
    watched.pack("print(1)")
    with watched.polling():
        until(lambda: watched.asked == ["packed"])
        until(lambda: watched.sync == "behind")


@pytest.mark.parametrize(
    ("outcome", "sync"), [(Outcome.PUBLISHED, "synced"), (Outcome.HELD, "held"), (Outcome.REFUSED, "error")]
)
def test_what_was_attempted_is_not_asked_for_again(watched: Watched, outcome: Outcome, sync: str) -> None:
    watched.pack("print(1)")
    watched.attempted = attempt(fingerprint(watched.projects.all()["packed"], {}), outcome)
    with watched.polling():
        until(lambda: watched.sync == sync)
    assert watched.asked == []


def test_a_changed_source_is_asked_for(watched: Watched) -> None:
    watched.pack("print(1)")
    watched.attempted = attempt("of something else")
    with watched.polling():
        until(lambda: watched.asked == ["packed"])


def test_a_request_that_is_not_understood_yet_is_made_again(watched: Watched) -> None:
    watched.pack("print(1)")
    watched.understood = False
    with watched.polling() as poller:
        until(lambda: len(watched.asked) == 1)
        poller.poke()
        until(lambda: len(watched.asked) > 1)


def test_a_poke_looks_again_at_once(watched: Watched) -> None:
    watched.pack("print(1)")
    with watched.polling() as poller:
        until(lambda: len(watched.asked) == 1)
        poller.poke("packed")
        until(lambda: len(watched.asked) > 1)


def test_while_a_sync_runs_no_other_is_asked_for(watched: Watched) -> None:
    watched.pack("print(1)")
    watched.busy = True
    with watched.polling() as poller:
        until(lambda: watched.sync == "behind")
        assert watched.asked == []
        watched.busy = False
        poller.poke()
        until(lambda: watched.asked == ["packed"])


def test_what_changes_after_syncs_that_came_to_nothing_is_asked_for_at_once(watched: Watched) -> None:
    watched.pack("print(1)")
    with watched.polling() as poller:
        until(lambda: len(watched.asked) >= 3)
        before = len(watched.asked)
        watched.pack("print(2)")
        poller.poke()
        until(lambda: len(watched.asked) > before, timeout=6, what="asked before the back-off is over")


def test_a_project_that_goes_is_told_of_no_more(watched: Watched) -> None:
    watched.pack("print(1)")
    with watched.polling():
        until(lambda: watched.sync == "behind")
        (watched.home / "projects" / "packed.zip").unlink()
        until(lambda: watched.told == [])


def test_a_source_that_cannot_be_reached_says_why(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.projects = KnownProjects(
        tmp_path, tmp_path / ".windmill", lambda: {"reports": ProjectSettings(git=str(tmp_path / "nowhere"))}
    )
    with watched.polling():
        until(lambda: watched.sync == "error")
    assert "nowhere" in watched.told[0]["error"]
    assert watched.asked == []
