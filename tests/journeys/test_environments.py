"""Packages: built before the code that needs them is live, and switched together with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.pulled import EVERY_SECOND, SYNC, Pulled
from tests.support.waiting import until
from tests.support.wheels import wheel

SAY = "import greeting; print('code {0}, package', greeting.VERSION)"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place packages come from, as the daemon's environment says."""
    wheels = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        wheel(wheels, "greeting", version)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    return wheels


@pytest.fixture
def pulled(tmp_path: Path, wheels: Path) -> Iterator[Pulled]:
    pulled = Pulled(tmp_path)
    with pulled.home:
        yield pulled


def commit(pulled: Pulled, number: int, requirements: str) -> str:
    pulled.upstream.write({"requirements.txt": requirements})
    return pulled.commit(SAY.format(number), nightly=EVERY_SECOND)


def test_code_and_packages_switch_together(pulled: Pulled) -> None:
    commit(pulled, 1, "greeting==1.0\n")
    pulled.home.up()
    until(pulled.outputs)
    commit(pulled, 2, "greeting==2.0\n")
    until(lambda: b"code 2, package 2.0\n" in pulled.outputs())
    assert set(pulled.outputs()) == {b"code 1, package 1.0\n", b"code 2, package 2.0\n"}


def test_packages_that_cannot_be_had_keep_the_revision_back_and_uv_says_why(pulled: Pulled) -> None:
    good = commit(pulled, 1, "greeting==1.0\n")
    pulled.home.up()
    until(pulled.outputs)
    commit(pulled, 2, "greeting==3.0\n")
    until(lambda: pulled.row()["sync"] == "error")
    known = len(pulled.outputs())
    until(lambda: len(pulled.outputs()) > known + 1)
    assert pulled.live() == good
    assert set(pulled.outputs()) == {b"code 1, package 1.0\n"}
    syncs = pulled.home.ended(SYNC)
    assert [one["state"] for one in syncs] == ["succeeded", "failed"]
    assert "greeting==3.0" in pulled.home.output(syncs[-1]["id"]).decode()
    assert "greeting==3.0" in pulled.home.cli("problems", check=False).stdout


def test_going_back_builds_nothing(pulled: Pulled, wheels: Path) -> None:
    first = commit(pulled, 1, "greeting==1.0\n")
    pulled.home.cli("sync")
    commit(pulled, 2, "greeting==2.0\n")
    pulled.home.cli("sync")
    shutil.rmtree(wheels)
    shutil.rmtree(pulled.home.root / ".windmill" / "cache" / "uv")
    pulled.point_at(pulled.upstream.url, f'ref = "{first}"')
    pulled.home.cli("sync")
    assert pulled.home.cli("run", "nightly").stdout == "code 1, package 1.0\n"


def test_two_commits_with_the_same_requirements_share_an_environment(pulled: Pulled) -> None:
    for number in (1, 2):
        commit(pulled, number, "greeting==1.0\n")
        pulled.home.cli("sync")
    environments = pulled.home.root / ".windmill" / "environments"
    assert len([path for path in environments.iterdir() if path.is_dir()]) == 1


def test_an_environment_that_was_taken_away_is_built_again_by_the_next_sync(pulled: Pulled) -> None:
    commit(pulled, 1, "greeting==1.0\n")
    pulled.home.cli("sync")
    shutil.rmtree(pulled.home.root / ".windmill" / "environments")
    pulled.home.cli("sync")
    assert pulled.home.cli("run", "nightly").stdout == "code 1, package 1.0\n"


def test_a_plain_directory_gets_the_packages_it_asks_for(tmp_path: Path, wheels: Path) -> None:
    with Live(tmp_path / "home") as home:
        home.script("main.py", SAY.format(1))
        home.script("requirements.txt", "greeting==1.0\n")
        home.job("nightly", "entry_point: main.py\nproject: p\n")
        home.up()
        until(lambda: home.json("projects", "p")["sync"] == "synced")
        assert home.cli("run", "nightly").stdout == "code 1, package 1.0\n"
        home.script("requirements.txt", "greeting==2.0\n")
        until(lambda: home.cli("run", "nightly").stdout == "code 1, package 2.0\n")


def test_the_settings_may_name_the_python(pulled: Pulled) -> None:
    base = Path(sys.base_prefix) / "bin" / "python3"
    pulled.point_at(pulled.upstream.url, f'python = "{base}"')
    pulled.commit("import sys; print(sys.executable)", nightly="entry_point: main.py\n")
    pulled.home.cli("sync")
    assert pulled.home.cli("run", "nightly").stdout == f"{base}\n"
