"""Repositories and settings that try to run something by themselves: a witness file would tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pulled import EVERY_SECOND, SYNC, Pulled
from tests.support.waiting import until


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[Pulled]:
    pulled = Pulled(tmp_path)
    with pulled.home:
        yield pulled


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Path]:
    """A file that nothing may make."""
    yield tmp_path / "witness"
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch {witness}'",
        "ssh://-oProxyCommand=touch${{IFS}}{witness}/x",
        "-oProxyCommand=touch {witness}:x",
        "--upload-pack=touch {witness}",
        "fd::17/{witness}",
        "file://host/`touch {witness}`",
        "$(touch {witness})",
        "https://x/;touch {witness}",
        "git@-oProxyCommand=touch {witness}:x",
    ],
)
def test_an_address_runs_nothing(pulled: Pulled, witness: Path, url: str) -> None:
    pulled.point_at(url.format(witness=witness))
    assert pulled.home.cli("sync", check=False).returncode != 0


@pytest.mark.parametrize(
    "ref", ["--upload-pack=touch {witness}", "-c", "main:refs/heads/x", "$(touch {witness})", ""]
)
def test_a_ref_runs_nothing(pulled: Pulled, witness: Path, ref: str) -> None:
    pulled.commit("print('one')")
    pulled.point_at(pulled.upstream.url, f'ref = "{ref.format(witness=witness)}"')
    assert pulled.home.cli("sync", check=False).returncode != 0


def test_what_a_repository_says_to_git_is_not_done(pulled: Pulled, witness: Path) -> None:
    evil = f"#!/bin/sh\ntouch {witness}\n"
    upstream = pulled.upstream
    upstream.write(
        {
            ".gitattributes": "* filter=evil diff=evil merge=evil export-subst\n",
            ".gitconfig": f'[filter "evil"]\nsmudge = touch {witness}\n[core]\nfsmonitor = touch {witness}\n',
            ".gitmodules": f'[submodule "x"]\npath = x\nurl = ext::touch {witness}\nupdate = !touch {witness}\n',
            ".githooks/post-checkout": evil,
            "hooks/post-checkout": evil,
            "sitecustomize.py": f"open({str(witness)!r}, 'w')\n",
            "git.py": f"open({str(witness)!r}, 'w')\n",
            "windmill/__init__.py": f"open({str(witness)!r}, 'w')\n",
            "uv.toml": 'python-preference = "only-managed"\n',
        }
    )
    for hook in (".githooks", "hooks"):
        (upstream.path / hook / "post-checkout").chmod(0o755)
    commit = pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.cli("sync")
    assert pulled.live() == commit


def test_a_job_file_that_is_a_link_out_is_not_read(pulled: Pulled, witness: Path, tmp_path: Path) -> None:
    good = pulled.commit("print('one')", nightly=EVERY_SECOND)
    pulled.home.cli("sync")
    (tmp_path / "outside.yaml").write_text(f"entry_point: main.py\nargs: ['{witness}']\n")
    (pulled.upstream.path / "jobs.d" / "linked.yaml").symlink_to(tmp_path / "outside.yaml")
    pulled.upstream.commit(subject="Link out")
    assert "leads out of the project" in pulled.home.cli("sync", check=False).stderr
    assert pulled.live() == good
    assert [job["id"] for job in pulled.home.json("jobs")] == ["reports/nightly"]


def test_an_entry_point_that_became_a_link_out_does_not_start(pulled: Pulled, witness: Path, tmp_path: Path) -> None:
    pulled.commit("print('one')", nightly="entry_point: main.py\n")
    pulled.home.up()
    until(lambda: pulled.live() == pulled.upstream.head())
    until(lambda: pulled.home.json("jobs"), what="the job is known")
    (tmp_path / "outside.py").write_text(f"open({str(witness)!r}, 'w')\n")
    (main,) = (pulled.home.root / ".windmill" / "revisions" / "reports").glob("*/main.py")
    main.parent.chmod(0o700)
    main.unlink()
    main.symlink_to(tmp_path / "outside.py")
    done = pulled.home.cli("run", "nightly", check=False)
    assert (done.returncode, "leads out of the project" in done.stderr) == (1, True)


def test_requirements_run_nothing(pulled: Pulled, witness: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    pulled.upstream.write(
        {
            "requirements.txt": "./package\n",
            "package/setup.py": f"open({str(witness)!r}, 'w')\n",
            "package/pyproject.toml": '[project]\nname = "package"\nversion = "1"\n',
        }
    )
    pulled.commit("print('one')", nightly="entry_point: main.py\n")
    assert "names a package by its path" in pulled.home.cli("sync", check=False).stderr
    assert [one["state"] for one in pulled.home.ended(SYNC)] == ["failed"]
