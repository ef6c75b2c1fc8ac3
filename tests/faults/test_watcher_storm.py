from __future__ import annotations

from pathlib import Path

from tests.jobs.test_watcher import NEVER, job_file, loader_of
from tests.support.waiting import until
from windmill.core.model import Catalog
from windmill.jobs.watcher import Watcher

MANY = 10_000


def test_after_a_storm_of_ten_thousand_files_the_catalog_is_what_lies_on_disk(tmp_path: Path) -> None:
    directory = tmp_path / "jobs.d"
    directory.mkdir()
    loader = loader_of(directory)
    delivered: list[Catalog] = []
    watcher = Watcher(
        directory, load=loader.load, unsettled=lambda: loader.unsettled, deliver=delivered.append, interval=NEVER
    )
    watcher.start()
    until(lambda: delivered)
    for number in range(MANY):
        (directory / f"job{number}.yaml").write_text(job_file("1"))
    for number in range(0, MANY, 2):
        (directory / f"job{number}.yaml").write_text(job_file("2"))
    for number in range(0, MANY, 4):
        (directory / f"job{number}.yaml").unlink()
    wanted = {f"p/job{number}": "1" if number % 2 else "2" for number in range(MANY) if number % 4}
    until(lambda: {key: job.owner for key, job in delivered[-1].jobs.items()} == wanted, timeout=120)
    watcher.stop()
