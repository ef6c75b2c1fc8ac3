from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.git_server import ENVIRON, Upstream
from tests.support.hostile import FILES, hostile
from windmill.core.errors import NotFound, Refused, WindmillError
from windmill.projects import commits as module
from windmill.projects.commits import Commits


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def commits(upstream: Upstream) -> Commits:
    return Commits(upstream.path / ".git", ENVIRON)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def names(target: Path) -> set[str]:
    return {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.mark.parametrize("ref", ["main", "HEAD", "v1.2", "HEAD~1^0", "refs/heads/main"])
def test_a_branch_a_tag_and_steps_back_name_a_commit(upstream: Upstream, commits: Commits, ref: str) -> None:
    first = upstream.commit(FILES)
    upstream.git("tag", "-a", "-m", "x", "v1.2")
    second = upstream.commit()
    assert commits.named(ref) == (first if ref in {"v1.2", "HEAD~1^0"} else second)


def test_the_first_name_that_exists_counts(upstream: Upstream, commits: Commits) -> None:
    commit = upstream.commit(FILES)
    assert commits.named("nothing", "main", "HEAD") == commit


def test_an_unknown_name_is_told(upstream: Upstream, commits: Commits) -> None:
    upstream.commit(FILES)
    with pytest.raises(NotFound, match='no branch, tag or commit "nothing"'):
        commits.named("nothing")


@pytest.mark.parametrize("ref", ["--output=x", "", "a b", "main:main.py", "@{-1}", "a..b", ":/x"])
def test_what_is_no_plain_name_is_refused(upstream: Upstream, commits: Commits, ref: str) -> None:
    upstream.commit(FILES)
    with pytest.raises(Refused):
        commits.named(ref)


def test_job_files_and_requirements_come_with_their_content(
    upstream: Upstream, commits: Commits, target: Path
) -> None:
    commits.lay(upstream.commit(FILES), target)
    assert names(target) == set(FILES)
    assert [(target / name).read_text() for name in FILES] == [FILES["jobs.d/a.yaml"], "", "six\n"]


def test_a_directory_of_the_repository_can_be_laid_out_alone(
    upstream: Upstream, commits: Commits, target: Path
) -> None:
    commits.lay(upstream.commit({f"sub/{name}": text for name, text in FILES.items()}), target, "sub")
    assert names(target) == set(FILES)


def test_a_directory_that_is_not_there_is_told(upstream: Upstream, commits: Commits, target: Path) -> None:
    with pytest.raises(NotFound, match='no directory "sub"'):
        commits.lay(upstream.commit(FILES), target, "sub")


def test_files_without_content_are_read(upstream: Upstream, commits: Commits, target: Path) -> None:
    commits.lay(upstream.commit({"jobs.d/a.yaml": "", "jobs.d/b.yaml": "x: 1\n"}), target)
    assert [(target / "jobs.d" / name).read_text() for name in ("a.yaml", "b.yaml")] == ["", "x: 1\n"]


def test_links_stay_links(upstream: Upstream, commits: Commits, target: Path) -> None:
    upstream.write(FILES)
    (upstream.path / "other.py").symlink_to("main.py")
    commits.lay(upstream.commit(), target)
    assert (target / "other.py").readlink() == Path("main.py")


def test_a_link_that_leads_out_is_refused(upstream: Upstream, commits: Commits, target: Path) -> None:
    upstream.write(FILES)
    (upstream.path / "out.py").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="leads out"):
        commits.lay(upstream.commit(), target)


def test_nothing_is_written_through_a_link(
    upstream: Upstream, commits: Commits, target: Path, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    inner = upstream.git("mktree", stdin=f"100644 blob {upstream.blob('x')}\tf.txt\n")
    crafted = f"120000 blob {upstream.blob(str(away))}\ta\n040000 tree {inner}\ta\n"
    with pytest.raises(WindmillError):
        commits.lay(upstream.commit_tree(crafted), target)
    assert list(away.iterdir()) == []


def test_too_much_to_read_is_refused(upstream: Upstream, commits: Commits, target: Path) -> None:
    part = "x" * module.MAX_FILE
    commit = upstream.commit({f"{number}.txt": part + str(number) for number in range(2)})
    many = upstream.commit({f"{number}.whl": part * 22 + str(number) for number in range(3)})
    commits.lay(commit, target)
    with pytest.raises(Refused, match="64 MiB"):
        commits.lay(many, target)


def test_a_repository_that_lacks_objects_is_told_and_nothing_is_fetched(
    upstream: Upstream, commits: Commits, target: Path
) -> None:
    commit = upstream.commit(FILES)
    blob = upstream.git("rev-parse", "HEAD:jobs.d/a.yaml")
    (upstream.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(WindmillError, match="lacks the object"):
        commits.lay(commit, target)


def test_what_is_missing_and_not_read_is_no_hindrance(upstream: Upstream, commits: Commits, target: Path) -> None:
    commit = upstream.commit(FILES)
    blob = upstream.git("rev-parse", "HEAD:main.py")
    (upstream.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    commits.lay(commit, target)
    assert names(target) == set(FILES)


def test_nothing_that_a_hostile_repository_names_is_run(
    upstream: Upstream, commits: Commits, target: Path, tmp_path: Path
) -> None:
    commit = hostile(upstream, tmp_path / "witness")
    assert commits.named("main") == commit
    commits.lay(commit, target)
    assert not (tmp_path / "witness").exists()


def test_a_hostile_repository_that_lacks_objects_gets_nothing_run_either(
    upstream: Upstream, commits: Commits, target: Path, tmp_path: Path
) -> None:
    commit = hostile(upstream, tmp_path / "witness")
    blob = subprocess.run(
        ["git", "hash-object", "--stdin"], input=FILES["jobs.d/a.yaml"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (upstream.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(WindmillError):
        commits.lay(commit, target)
    assert not (tmp_path / "witness").exists()


def test_the_hostile_repository_does_run_programs_for_those_who_look_at_its_files(
    upstream: Upstream, tmp_path: Path
) -> None:
    hostile(upstream, tmp_path / "witness")
    subprocess.run(["git", "status"], cwd=upstream.path, env=ENVIRON, capture_output=True, check=False)
    assert (tmp_path / "witness").exists()
