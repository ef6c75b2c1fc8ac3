from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.live import Live

TABLE = """\
# Counts
*/5 * * * * echo counted%in
@reboot echo x
61 * * * * echo bad
"""


def imported(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with Live(home, None if home.exists() else "") as live:
        table = home.parent / "table"
        table.write_text(TABLE)
        return live.cli("import", "crontab", str(table), *options, check=False)


def test_a_crontab_becomes_jobs_that_run(tmp_path: Path) -> None:
    done = imported(tmp_path / "home")
    assert done.returncode == 3
    assert done.stdout == "jobs.d/echo.yaml\tprojects/crontab/echo.sh\n"
    assert "line 3: @reboot echo x" in done.stderr
    assert "not a cron expression" in done.stderr
    with Live(tmp_path / "home", None) as live:
        assert live.cli("validate").returncode == 0
        assert live.cli("run", "echo").stdout == "counted\n"


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    imported(tmp_path / "home")
    path = tmp_path / "home" / "jobs.d" / "echo.yaml"
    path.write_text("mine")
    done = imported(tmp_path / "home")
    assert "is there already" in done.stderr
    assert path.read_text() == "mine"


def test_it_can_be_only_said(tmp_path: Path) -> None:
    done = imported(tmp_path / "home", "--dry-run", "--json")
    answer = json.loads(done.stdout)
    assert ([job["name"] for job in answer["jobs"]], answer["written"]) == (["echo"], False)
    assert [one["line"] for one in answer["left"]] == [3, 4]
    assert list((tmp_path / "home" / "jobs.d").iterdir()) == []


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        done = live.cli("import", "dagu", str(tmp_path / "none.yaml"), check=False)
    assert (done.returncode, "cannot be read" in done.stderr) == (4, True)
