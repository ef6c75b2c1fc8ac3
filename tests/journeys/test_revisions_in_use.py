"""A revision stays as long as something runs from it, and as it was published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pulled import Pulled
from tests.support.waiting import until

WAITS = "import os, time, helper\nwhile not os.path.exists({!r}): time.sleep(0.02)\nfrom importlib import reload\n"
JOB = "entry_point: main.py\n"


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[Pulled]:
    pulled = Pulled(tmp_path)
    with pulled.home:
        yield pulled


def trees(pulled: Pulled) -> dict[str, Path]:
    """The revisions on disk, made old enough to be removed."""
    places = [path for path in (pulled.home.root / ".windmill" / "revisions" / "reports").iterdir() if path.is_dir()]
    for path in places:
        os.utime(path, (0, 0))
    return {path.name: path for path in places}


def cached(pulled: Pulled) -> list[str]:
    return [path.name for path in (pulled.home.root / ".windmill" / "pycache").rglob("helper*.pyc")]


def test_a_long_execution_keeps_its_revision_through_many_syncs(pulled: Pulled, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    pulled.upstream.write({"helper.py": "word = 0\n"})
    first = pulled.commit(WAITS.format(str(gate)) + "print(reload(helper).word)", nightly=JOB)
    pulled.home.up()
    until(lambda: pulled.live() == first)
    until(lambda: any(job["id"] == "reports/nightly" for job in pulled.home.json("jobs")))
    pulled.home.cli("run", "-d", "nightly")
    until(lambda: [one for one in pulled.home.executions("reports/nightly") if one["state"] == "running"])
    for number in range(1, 6):
        trees(pulled)
        pulled.upstream.write({"helper.py": f"word = {number}\n"})
        pulled.commit(f"import helper\nprint({number})")
        pulled.home.cli("sync")
    assert first in trees(pulled)
    gate.touch()
    until(lambda: pulled.outputs() == [b"0\n"])
    pulled.home.cli("sync")
    assert first not in trees(pulled)


def test_nothing_is_written_into_a_revision(pulled: Pulled) -> None:
    pulled.upstream.write({"helper.py": "word = 'one'\n"})
    commit = pulled.commit("import helper\nprint(helper.word)", nightly=JOB)
    pulled.home.cli("sync")
    before = sorted(trees(pulled)[commit].rglob("*"))
    assert pulled.home.cli("run", "nightly").stdout == "one\n"
    assert sorted(trees(pulled)[commit].rglob("*")) == before
    assert len(cached(pulled)) == 1


def test_what_was_compiled_of_a_revision_goes_with_it(pulled: Pulled) -> None:
    for number in range(6):
        pulled.upstream.write({"helper.py": f"word = {number}\n"})
        pulled.commit("import helper\nprint(helper.word)", nightly=JOB)
        pulled.home.cli("sync")
        trees(pulled)
        assert pulled.home.cli("run", "nightly").stdout == f"{number}\n"
    assert len(cached(pulled)) == len(trees(pulled)) <= 4
