"""A home whose project is pulled from a repository that somebody commits to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.git_server import Upstream
from tests.support.live import Live
from windmill.core.documents import Document

EVERY_SECOND: Final = "entry_point: main.py\nschedule: {interval: 1s}\n"
SYNC: Final = "reports/@sync"


class Pulled:
    """A home that pulls the project `reports` from a repository."""

    def __init__(self, root: Path) -> None:
        self.upstream = Upstream(root / "upstream")
        self.home = Live(root / "home")
        self.point_at(self.upstream.url)

    def point_at(self, url: str, *lines: str, poll: str = "1s") -> None:
        """Write windmill.toml; `lines` are further keys of the project."""
        text = [f'[projects.reports]\ngit = "{url}"', f'poll = "{poll}"', *lines]
        (self.home.root / "windmill.toml").write_text("\n".join(text) + "\n")

    def commit(self, code: str, subject: str = "Change", **jobs: str) -> str:
        """Commit main.py with this code, and these job files; "" removes one. Return the commit."""
        files = {f"jobs.d/{name}.yaml": text for name, text in jobs.items() if text}
        for name in [name for name, text in jobs.items() if not text]:
            (self.upstream.path / "jobs.d" / f"{name}.yaml").unlink()
        return self.upstream.commit({"main.py": code, **files}, subject)

    def live(self) -> str:
        """The commit that is live now."""
        row = self.row()
        return str(row["revision"]).rpartition(":")[2]

    def row(self) -> Document:
        return dict(self.home.json("projects", "reports"))

    def outputs(self, job: str = "reports/nightly") -> list[bytes]:
        return [self.home.output(one["id"]) for one in self.home.ended(job)]
