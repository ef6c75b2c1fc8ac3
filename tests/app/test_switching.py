"""Code and jobs switch together, whenever a revision is published."""

from __future__ import annotations

import time
from pathlib import Path

from windmill.app.catalog import HomeCatalog
from windmill.app.repository import Repository
from windmill.jobs.loader import Loader
from windmill.projects import published
from windmill.projects.known import KnownProjects, Project
from windmill.projects.published import Published, Revision
from windmill.projects.settings import ProjectSettings

FIRST, SECOND = "a" * 40, "b" * 40


class Disk:
    """A home that pulls the project `reports`; its plain project `early` is read before that."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / ".windmill"
        (root / "jobs.d").mkdir()
        (root / "projects" / "early" / "jobs.d").mkdir(parents=True)
        self.catalog = HomeCatalog(
            home=self._loader(root / "jobs.d"),
            projects=KnownProjects(root, self.state, lambda: {"reports": ProjectSettings(git="/repository")}),
            repository=Repository(timezone="UTC", defaults={}),
            loader_of=self._early,
            state=self.state,
            root=root,
        )
        self.meanwhile = ""  # published while the files are read

    def publish(self, key: str) -> None:
        """Publish a revision whose only job has its key as argument."""
        root = self.state / "revisions" / "reports" / key
        (root / "jobs.d").mkdir(parents=True)
        (root / "jobs.d" / "nightly.yaml").write_text(f"entry_point: main.py\nargs: [{key}]\n")
        revision = Revision(name=f"main@sha1:{key}", key=key, root=str(root), python="python3")
        state = Published(project="reports", applied=revision, good={"nightly.yaml": key}, revisions={key: revision})
        published.write(self.state, state)

    def _early(self, _: Project, directory: Path) -> Loader:
        if self.meanwhile:
            self.publish(self.meanwhile)
        return self._loader(directory)

    def _loader(self, directory: Path) -> Loader:
        return Loader(
            directory,
            show=str,
            timezone="UTC",
            defaults={},
            projects=lambda: {"early": self.root / "projects" / "early"},
            last_good=self.state / "last-good" / directory.parent.name,
            clock=time.time,
        )


def test_jobs_and_code_are_of_one_revision_also_when_another_is_published_meanwhile(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.publish(FIRST)
    disk.meanwhile = SECOND
    found = disk.catalog.load()
    (argument,) = found.jobs["reports/nightly"].args
    assert Path(found.locations["reports"].root).name == argument
