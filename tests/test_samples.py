from __future__ import annotations

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

SAMPLES = ROOT / "examples" / "projects" / "samples"
REPORTS = ROOT / "projects" / "reports"


def run(script: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(script), *args]
    return subprocess.run(
        command, cwd=script.parent, env={"WINDMILL_X": "1"}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def address() -> Iterator[str]:
    """Yield the address of a web server that knows no method, and says so."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_helloworld_says_hello_and_what_it_was_told() -> None:
    ended = run(SAMPLES / "helloworld.py")
    assert (ended.returncode, ended.stdout) == (0, "Hello, world!\n  WINDMILL_X=1\n")


def test_error_fails_with_a_traceback() -> None:
    ended = run(SAMPLES / "error.py")
    assert ended.returncode == 1
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_request_says_in_one_line_that_nobody_answers() -> None:
    ended = run(SAMPLES / "request.py", "--url", "http://127.0.0.1:9/", "--timeout", "5")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "http://127.0.0.1:9/: no answer ([Errno 111] Connection refused); give another address with -p url=..."
    ]


def test_request_says_what_a_server_refused(address: str) -> None:
    ended = run(SAMPLES / "request.py", "--url", address)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{address}: the server says 501")


def test_request_reads_no_files() -> None:
    assert run(SAMPLES / "request.py", "--url", "file:///etc/hostname").returncode == 1


def test_sleepwalking_says_where_it_is() -> None:
    ended = run(SAMPLES / "sleepwalking.py", "--steps", "2", "--pause", "0")
    assert ended.stdout.splitlines() == ["step 1 of 2 ... zzz", "step 2 of 2 ... zzz", "awake"]


def test_the_sales_summary_shows_its_progress_and_the_total() -> None:
    lines = run(REPORTS / "summary.py").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]", "total"]


def test_the_sales_of_an_unknown_region_fail_and_name_the_known_ones() -> None:
    ended = run(REPORTS / "summary.py", "--region", "XX")
    assert (ended.returncode, ended.stderr) == (1, "no sales in XX; regions: BR, ES, MX, PT\n")


def test_the_sales_in_the_repository_are_sound() -> None:
    assert run(REPORTS / "check.py").returncode == 0


def test_a_broken_line_of_the_sales_is_named(tmp_path: Path) -> None:
    project = Path(shutil.copytree(REPORTS, tmp_path / "reports"))
    with (project / "data" / "sales.csv").open("a") as file:
        file.write("2026-01-13,BR,gear,many,45.00\n")
    ended = run(project / "check.py")
    assert ended.returncode == 1
    assert ended.stderr.startswith("sales.csv:50: not a sale")


def test_housekeeping_keeps_the_newest_snapshots_of_its_own_folder(tmp_path: Path) -> None:
    project = Path(shutil.copytree(ROOT / "projects" / "housekeeping", tmp_path / "housekeeping"))
    assert run(project / "disk_usage.py", str(tmp_path)).returncode == 0
    (project / "spool" / "notes.txt").write_text("not a snapshot")
    assert run(project / "tidy.py", "--keep", "0").stdout.endswith("0 of 1 snapshots stay\n")
    assert [path.name for path in (project / "spool").iterdir()] == ["notes.txt"]


def test_a_full_disk_fails_when_asked_to(tmp_path: Path) -> None:
    project = Path(shutil.copytree(ROOT / "projects" / "housekeeping", tmp_path / "housekeeping"))
    assert run(project / "disk_usage.py", "--fail-at", "-1", str(tmp_path)).returncode == 1
