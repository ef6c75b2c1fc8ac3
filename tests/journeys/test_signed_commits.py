"""Projects whose commits must be signed: what nobody allowed signed never runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects.test_git_signatures import signed, ssh_key
from tests.support.pulled import EVERY_SECOND, SYNC, Pulled
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[Pulled]:
    """Its newest commit is signed by the key `tmp_path`/allowed; `tmp_path`/foreign is nobody's."""
    pulled = Pulled(tmp_path)
    (pulled.home.root / "signers").write_text(f"ada@example.com {ssh_key(tmp_path / 'allowed')}\n")
    ssh_key(tmp_path / "foreign")
    pulled.point_at(pulled.upstream.url, 'verify = {allowed_signers = "signers"}')
    pulled.commit("print('one')", nightly=EVERY_SECOND)
    signed(pulled.upstream, str(tmp_path / "allowed"))
    with pulled.home:
        yield pulled


def refused_once(pulled: Pulled, good: str) -> None:
    until(lambda: pulled.row()["sync"] == "error")
    known = len(pulled.outputs())
    until(lambda: len(pulled.outputs()) > known + 2)  # several polls later
    assert pulled.live() == good
    assert set(pulled.outputs()) == {b"one\n"}
    assert len(pulled.home.ended(SYNC)) == 2
    assert "is not signed by an allowed key" in pulled.home.cli("problems", check=False).stdout


def test_a_signed_commit_goes_live(pulled: Pulled) -> None:
    pulled.home.up()
    until(lambda: b"one\n" in pulled.outputs())
    assert pulled.live() == pulled.upstream.head()


def test_an_unsigned_commit_is_refused_once_until_a_signed_one_comes(pulled: Pulled, tmp_path: Path) -> None:
    pulled.home.up()
    until(pulled.outputs)
    good = pulled.live()
    pulled.commit("print('sneaked in')")
    refused_once(pulled, good)
    mended = signed(pulled.upstream, str(tmp_path / "allowed"))
    until(lambda: pulled.live() == mended)


def test_a_commit_signed_by_a_stranger_is_refused_once(pulled: Pulled, tmp_path: Path) -> None:
    pulled.home.up()
    until(pulled.outputs)
    good = pulled.live()
    pulled.commit("print('sneaked in')")
    signed(pulled.upstream, str(tmp_path / "foreign"))
    refused_once(pulled, good)


def test_the_repository_cannot_name_its_own_signers(pulled: Pulled, tmp_path: Path) -> None:
    pulled.home.up()
    until(pulled.outputs)
    good = pulled.live()
    stranger = (tmp_path / "foreign.pub").read_text()
    pulled.upstream.write({"signers": f"ada@example.com {stranger}", ".gitconfig": "[gpg]\nformat = ssh\n"})
    pulled.commit("print('sneaked in')")
    signed(pulled.upstream, str(tmp_path / "foreign"))
    refused_once(pulled, good)
