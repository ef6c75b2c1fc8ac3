from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.git_server import ENVIRON, Upstream
from windmill.core.errors import Refused
from windmill.projects import git_tree
from windmill.projects.git import Mirror
from windmill.projects.source import Remote


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def mirror(tmp_path: Path, said: list[str]) -> Mirror:
    return Mirror(tmp_path / "mirror.git", environ=ENVIRON, say=said.append)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def export(mirror: Mirror, upstream: Upstream, target: Path, path: str = "") -> set[str]:
    mirror.export(mirror.fetch(Remote(url=upstream.url), timeout=30), target, path)
    return {str(entry.relative_to(target)) for entry in target.rglob("*")}


def refusal(mirror: Mirror, upstream: Upstream, target: Path, path: str = "") -> str:
    with pytest.raises(Refused) as caught:
        export(mirror, upstream, target, path)
    return caught.value.message


def test_files_come_out_with_names_of_every_sort(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    names = {"main.py", "a b.txt", "ç/ü.txt", "-x", "--help", "'\"$(x).txt", "new\nline", "*", "~"}
    upstream.commit(dict.fromkeys(names, "x"))
    assert export(mirror, upstream, target) == names | {"ç"}


def test_no_git_directory_comes_out(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    upstream.commit({"main.py": "x"})
    export(mirror, upstream, target)
    assert list(target.iterdir()) == [target / "main.py"]


def test_only_the_owner_may_read_and_what_is_executable_stays_so(
    mirror: Mirror, upstream: Upstream, target: Path
) -> None:
    upstream.write({"run.sh": "x", "main.py": "x"})
    (upstream.path / "run.sh").chmod(0o755)
    upstream.commit()
    before = os.umask(0o077)
    try:
        export(mirror, upstream, target)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((target / name).stat().st_mode) for name in ("run.sh", "main.py")]
    assert modes == [0o700, 0o600]


def test_one_directory_of_the_repository(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    upstream.commit({"tools/etl/main.py": "x", "other.py": "x"})
    assert export(mirror, upstream, target, "tools/etl/") == {"main.py"}


@pytest.mark.parametrize("path", ["nowhere", "main.py", "main.py/x", "tools^{tree}", "tools:x"])
def test_what_is_no_directory_of_the_commit_is_said(
    mirror: Mirror, upstream: Upstream, target: Path, path: str
) -> None:
    upstream.commit({"tools/main.py": "x", "main.py": "x"})
    assert "has no directory" in refusal(mirror, upstream, target, path)


@pytest.mark.parametrize("path", ["..", "../x", "/etc", "tools/../..", "-x", "a\0b"])
def test_a_path_out_of_the_commit_is_refused(mirror: Mirror, upstream: Upstream, target: Path, path: str) -> None:
    upstream.commit({"tools/main.py": "x"})
    assert refusal(mirror, upstream, target, path).startswith("the path of the git source")


@pytest.mark.parametrize("link", ["main.py", "tools/../main.py", "tools", "nowhere", "self"])
def test_a_link_inside_the_project_stays_a_link(mirror: Mirror, upstream: Upstream, target: Path, link: str) -> None:
    upstream.write({"main.py": "x", "tools/x.py": "x"})
    (upstream.path / "self").symlink_to(link)
    upstream.commit()
    export(mirror, upstream, target)
    assert (target / "self").readlink() == Path(link)


@pytest.mark.parametrize(
    "link",
    ["/etc/passwd", "..", "../", "../x", "tools/../../x", "tools/up/../../../etc/passwd", "/", "/proc/self/environ"],
)
def test_a_link_out_of_the_project_is_refused(mirror: Mirror, upstream: Upstream, target: Path, link: str) -> None:
    upstream.write({"main.py": "x", "tools/x.py": "x"})
    (upstream.path / "tools" / "up").symlink_to("..")
    (upstream.path / "bad").symlink_to(link)
    upstream.commit()
    assert "'bad' leads out of the project" in refusal(mirror, upstream, target)


def test_links_that_lead_out_only_together_are_refused(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    upstream.write({"a/b/c.py": "x"})
    (upstream.path / "up").symlink_to("a/b/../..")
    (upstream.path / "bad").symlink_to("up/../target-sibling")
    upstream.commit()
    assert "leads out of the project" in refusal(mirror, upstream, target)


def test_a_link_out_of_the_wanted_directory_is_refused(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    upstream.write({"tools/x.py": "x", "common.py": "x"})
    (upstream.path / "tools" / "common.py").symlink_to("../common.py")
    upstream.commit()
    assert "leads out of the project" in refusal(mirror, upstream, target, "tools")


def test_no_file_is_written_through_a_link(mirror: Mirror, upstream: Upstream, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link, text = upstream.blob(str(outside)), upstream.blob("x")
    inner = upstream.git("mktree", stdin=f"100644 blob {text}\twitness\n")
    upstream.commit_tree(f"040000 tree {inner}\tdir\n120000 blob {link}\tdir\n")
    with pytest.raises(Exception, match=r".+"):
        export(mirror, upstream, target)
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", ".Git"])
def test_a_name_with_a_meaning_of_its_own_is_refused(
    mirror: Mirror, upstream: Upstream, target: Path, name: str
) -> None:
    text = upstream.blob("x")
    upstream.commit_tree(f"100644 blob {text}\t{name}\n")
    assert "none inside a project" in refusal(mirror, upstream, target)
    assert not list(target.iterdir())


def test_files_are_not_converted(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    text = "$Id$\n$Format:%H$\nline\n"
    upstream.write({"main.py": text})
    upstream.commit()
    upstream.commit({".gitattributes": "* ident export-subst text eol=crlf\nx export-ignore\n", "x": "kept"})
    assert export(mirror, upstream, target) == {"main.py", "x", ".gitattributes"}
    assert (target / "main.py").read_bytes() == text.encode()


def test_no_filter_runs(mirror: Mirror, upstream: Upstream, target: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    upstream.commit({".gitattributes": "* filter=evil\n", "main.py": "x"})
    commit = mirror.fetch(Remote(url=upstream.url), timeout=30)
    with (mirror.path / "config").open("a") as file:  # even if a filter of that name were there
        file.write(f'[filter "evil"]\n\tsmudge = touch {witness}\n\tprocess = touch {witness}\n\trequired = true\n')
    mirror.export(commit, target)
    assert ((target / "main.py").read_text(), witness.exists()) == ("x", False)


def test_large_files_stay_pointers(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    upstream.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "x.bin": pointer})
    export(mirror, upstream, target)
    assert (target / "x.bin").read_text() == pointer


def test_no_hook_runs(mirror: Mirror, upstream: Upstream, target: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    upstream.commit({"hooks/post-checkout": f"#!/bin/sh\ntouch {witness}\n", "main.py": "x"})
    commit = mirror.fetch(Remote(url=upstream.url), timeout=30)
    for name in ("post-checkout", "post-index-change", "reference-transaction", "post-merge"):
        hook = mirror.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {witness}\n")
        hook.chmod(0o755)
    mirror.export(commit, target)
    upstream.commit({"x": "1"})
    mirror.fetch(Remote(url=upstream.url), timeout=30)
    assert not witness.exists()


def test_submodules_are_left_out_and_told(
    mirror: Mirror, upstream: Upstream, target: Path, said: list[str], tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    run = f"touch {witness}"
    modules = f'[submodule "x"]\n\tpath = sub\n\turl = ext::sh -c "{run}"\n\tupdate = !{run}\n'
    upstream.write({"main.py": "x", ".gitmodules": modules})
    upstream.git("update-index", "--add", "--cacheinfo", "160000," + "1" * 40 + ",sub")
    upstream.git("add", ".gitmodules", "main.py")
    upstream.git("commit", "-q", "-m", "with a submodule")
    export(mirror, upstream, target)
    assert (witness.exists(), "1 submodules are left out" in said, not any((target / "sub").iterdir())) == (
        False,
        True,
        True,
    )


def test_what_upload_pack_would_run_in_a_hostile_repository_does_not_run(
    mirror: Mirror, upstream: Upstream, target: Path, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    upstream.commit({"main.py": "x"})
    run = f"touch {witness}"
    with (upstream.path / ".git" / "config").open("a") as file:
        file.write(f"[core]\n\tfsmonitor = {run}\n\tsshCommand = {run}\n\thooksPath = {tmp_path}\n\tpager = {run}\n")
        file.write(
            f'[uploadpack]\n\tpackObjectsHook = {run}\n[diff]\n\texternal = {run}\n[filter "x"]\n\tclean = {run}\n'
        )
        file.write(f"[alias]\n\tupload-pack = !{run}\n[gpg]\n\tprogram = {run}\n[credential]\n\thelper = !{run}\n")
    assert export(mirror, upstream, target) == {"main.py"}
    assert not witness.exists()


@pytest.mark.parametrize("ref", ["refs/heads/-x", "refs/heads/--upload-pack=touch"])
def test_refs_that_look_like_options_do_no_harm(mirror: Mirror, upstream: Upstream, target: Path, ref: str) -> None:
    commit = upstream.commit({"main.py": "x"})
    packed = upstream.path / ".git" / "packed-refs"
    packed.write_text(f"# pack-refs with: peeled fully-peeled sorted \n{commit} {ref}\n")
    assert export(mirror, upstream, target) == {"main.py"}


def test_too_many_files_are_refused_before_any_is_written(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    text = upstream.blob("x")
    leaf = upstream.git("mktree", stdin="".join(f"100644 blob {text}\t{number:04}\n" for number in range(500)))
    upstream.commit_tree("".join(f"040000 tree {leaf}\td{number:03}\n" for number in range(101)))
    assert "more than 50,000 files" in refusal(mirror, upstream, target)
    assert not list(target.iterdir())


def test_a_bomb_of_trees_is_refused_without_unfolding_it(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    tree = upstream.git("mktree", stdin=f"100644 blob {upstream.blob('x')}\tf\n")
    for _ in range(9):
        tree = upstream.git("mktree", stdin="".join(f"040000 tree {tree}\t{number}\n" for number in range(10)))
    commit = upstream.git("commit-tree", tree, "-m", "a thousand million files")
    upstream.git("update-ref", "refs/heads/main", commit)
    assert "more than" in refusal(mirror, upstream, target)
    assert not list(target.iterdir())


def test_too_many_bytes_are_refused_before_any_is_written() -> None:
    half = (git_tree.MAX_BYTES >> 1) + 1
    listing = f"100644 blob {'a' * 40} {half}\tone\x00100644 blob {'a' * 40} {half}\ttwo\x00"
    with pytest.raises(Refused, match="2 GiB, counted up to 'two'"):
        git_tree.judge(listing.encode())


def test_names_without_end_are_refused() -> None:
    entry = f"100644 blob {'a' * 40} 1\t{'x' * 2000}\x00".encode()
    with pytest.raises(Refused, match="counted up to 'xxx"):
        git_tree.judge(entry * (git_tree.MAX_LISTING // len(entry) + 1))


def test_only_an_empty_directory_is_filled(mirror: Mirror, upstream: Upstream, target: Path) -> None:
    upstream.commit({"main.py": "x"})
    (target / "main.py").write_text("mine")
    assert "not empty" in refusal(mirror, upstream, target)
    assert (target / "main.py").read_text() == "mine"
