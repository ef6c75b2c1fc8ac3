"""What an environment that cannot be built says: whether trying again may help, and what does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.mongo import HOST, free_port
from tests.support.wheels import wheel
from windmill.core.errors import Refused, Unavailable
from windmill.projects.environment import Environments
from windmill.projects.installer import find_uv
from windmill.projects.requirements import find


def build(directory: Path, requirements: str, **environ: str) -> None:
    root = directory / "project"
    root.mkdir()
    (root / "requirements.txt").write_text(requirements)
    wanted = find(root)
    assert wanted is not None
    Environments(directory / "state", uv=find_uv(), python_default=sys.executable).build(
        wanted,
        root,
        python=None,
        say=lambda _: None,
        timeout=120,
        environ={"PATH": os.environ["PATH"], "HOME": str(directory), "UV_HTTP_RETRIES": "0", **environ},
    )


def test_an_index_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Failed to fetch"):
        build(tmp_path, "nosuch==1.0\n", UV_INDEX_URL=f"http://{HOST}:{free_port()}/simple")


def test_where_no_index_is_wanted_none_is_asked(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not found in the provided package locations"):
        build(tmp_path, "nosuch==1.0\n", UV_NO_INDEX="1")


def test_a_wheel_that_is_not_the_locked_one_is_final(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "foo", "1.0")
    requirements = "foo==1.0 --hash=sha256:" + "0" * 64 + "\n"
    index = f"http://{HOST}:{free_port()}/simple"
    with pytest.raises(Refused, match=r"(?i)hash mismatch"):
        build(tmp_path, requirements, UV_FIND_LINKS=str(tmp_path / "wheels"), UV_INDEX_URL=index)
