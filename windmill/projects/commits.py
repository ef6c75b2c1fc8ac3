"""Other revisions of a git repository that somebody else owns, read in a way that cannot run anything it names."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from windmill.core.errors import NotFound, Refused, WindmillError
from windmill.projects import git_tree
from windmill.projects.bounded import Answer, finish, limited
from windmill.projects.source import check_ref, hardened_environment, is_commit

TIMEOUT: Final = 60.0  # seconds for one git command
MAX_BYTES: Final = 64 << 20  # of all contents together
MAX_FILE: Final = 1 << 20  # of one file, but for those that name packages
_STEPS_BACK: Final = re.compile(r"([~^]\d{0,6})+$")  # as in HEAD~2
_LINK: Final = "120000"
_FILE_MODES: Final = ("100644", "100755", "100664")
_LOCKS: Final = ("uv.lock", "pylock.toml", "Pipfile.lock", "requirements.lock", "requirements.txt")
_READ: Final = (".txt", ".in", ".toml", ".lock", ".python-version")  # where requirements and what they include are
_JOBS: Final = (".yaml", ".yml")


class _Blob(NamedTuple):
    mode: str
    sha: str
    size: int
    path: str


class Commits:
    """The commits in the git directory `directory`, which need not be ours: only rev-parse, ls-tree, cat-file look.

    None of these looks at a work tree or runs a filter or hook, and missing objects are not fetched. `environ` is the
    environment to pick from, see `hardened_environment`.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory.absolute()
        self._environ = environ

    def named(self, *names: str) -> str:
        """Return the commit that the first of these branches, tags or commits names. Raises NotFound and Refused."""
        for name in names:
            if mistake := check_ref(_STEPS_BACK.sub("", name)):
                raise Refused(f"the ref {name[:100]!r} {mistake}")
            answer = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
            found = answer.out.decode(errors="replace").strip()
            if answer.code == 0 and is_commit(found):
                return found
        raise NotFound(
            f'{self._directory} has no branch, tag or commit "{names[0]}"',
            hint="a shallow clone has few: fetch it, in CI with full history",
        )

    def lay(self, commit: str, target: Path, path: str = "") -> None:
        """Lay out what a plan reads of the commit, or of its directory `path`, in the empty directory `target`.

        Job files and requirements come with their content; of the others only the name is there. Raises Refused for
        what no project may hold, see git_tree, and for more than 64 MiB to read.
        """
        tree = self._tree(commit, path)
        listing = self._git("ls-tree", "-r", "-l", "-z", "--full-tree", tree, limit=git_tree.MAX_LISTING)
        if listing.code and not listing.cut:
            raise self._failure(listing)
        links = git_tree.judge(listing.out).links
        blobs = list(_blobs(listing.out))
        wanted = [blob for blob in blobs if _is_read(blob)]
        if sum(blob.size for blob in wanted) > MAX_BYTES:
            raise Refused(f"commit {commit[:12]} holds more than {MAX_BYTES >> 20} MiB to read for a plan")
        contents = self._contents(wanted)
        try:
            _write(blobs, contents, target)
        except OSError as error:  # two entries of one name
            raise Refused(f"commit {commit[:12]} cannot be laid out: {error.strerror}") from None
        git_tree.check_links(target, links)

    def _tree(self, commit: str, path: str) -> str:
        answer = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}")
        tree = answer.out.decode(errors="replace").strip()
        if answer.code or not is_commit(tree):
            raise NotFound(f'commit {commit[:12]} has no directory "{path}"')
        return tree

    def _contents(self, blobs: list[_Blob]) -> dict[str, bytes]:
        """Return the content of each of these by its name."""
        names = dict.fromkeys(blob.sha for blob in blobs)
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(f"{name}\n" for name in names).encode())
            asked.seek(0)
            most = MAX_BYTES + 200 * len(names)
            answer = self._git("cat-file", "--batch", limit=most, stdin=asked.fileno())
        if answer.code or answer.cut:
            raise self._failure(answer)
        found, position = {}, 0
        for name in names:
            head, _, _ = answer.out[position : position + 200].partition(b"\n")
            kind, size = head.decode("ascii", errors="replace").split()[1:3] if head.count(b" ") > 1 else ("", "0")
            if kind != "blob":
                raise WindmillError(
                    f"{self._directory} lacks the object {name[:12]}",
                    hint="clone it in full: nothing is fetched here",
                )
            begin = position + len(head) + 1
            found[name] = answer.out[begin : begin + int(size)]
            position = begin + int(size) + 1
        return found

    def _git(self, *arguments: str, limit: int = 1 << 20, stdin: int = subprocess.DEVNULL) -> Answer:
        with subprocess.Popen(
            limited(["git", f"--git-dir={self._directory}", *arguments], timeout=TIMEOUT + 1),
            env={**hardened_environment(self._environ, None), "GIT_NO_LAZY_FETCH": "1"},
            cwd="/",
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as child:
            return finish(child, timeout=TIMEOUT, limit=limit)

    def _failure(self, answer: Answer) -> WindmillError:
        said = answer.err.decode(errors="replace").strip().splitlines() or ["git gave no answer in time"]
        return WindmillError(f"{self._directory} cannot be read: {said[-1][:500]}")


def _blobs(listing: bytes) -> Iterator[_Blob]:
    """Yield the files and links of an answer of `git ls-tree -r -l -z`."""
    for entry in listing.split(b"\0"):
        facts, _, name = entry.partition(b"\t")
        if entry and (mode := facts.split()[0].decode()) in (*_FILE_MODES, _LINK):
            _, _, sha, size = facts.decode("ascii").split()
            yield _Blob(mode, sha, int(size) if size.isdigit() else 0, os.fsdecode(name))  # BAD where it is missing


def _write(blobs: list[_Blob], contents: Mapping[str, bytes], target: Path) -> None:
    """Write the files, then the links: nothing is ever written through one. Raises OSError."""
    for blob in sorted(blobs, key=lambda blob: blob.mode == _LINK):
        place, content = target / blob.path, contents.get(blob.sha, b"")
        place.parent.mkdir(parents=True, exist_ok=True)
        if blob.mode == _LINK:
            place.symlink_to(os.fsdecode(content))
        else:
            place.write_bytes(content)
            place.chmod(0o700 if blob.mode == "100755" else 0o600)


def _is_read(blob: _Blob) -> bool:
    """Return True for links, and for files whose content a plan may depend on."""
    name = PurePosixPath(blob.path).name
    if blob.mode == _LINK or name in _LOCKS or name.endswith(".whl"):
        return True
    return blob.size <= MAX_FILE and name.endswith(_JOBS if "jobs.d" in PurePosixPath(blob.path).parts else _READ)
