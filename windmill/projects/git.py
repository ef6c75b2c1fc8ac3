"""A bare mirror of one git repository, and what is taken out of it: commits, their signatures, their files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from windmill.core import paths
from windmill.core.errors import Refused, WindmillError
from windmill.projects import git_tree, git_upkeep, poll
from windmill.projects.bounded import MAX_BYTES, Answer
from windmill.projects.git_command import LOCAL_TIMEOUT, Commands
from windmill.projects.git_history import FORMAT, Commit, commits
from windmill.projects.git_trouble import Damaged, cannot_write, trouble, unwritable
from windmill.projects.source import Remote, SourceError, address, check, is_commit, mirrored, shown

_LOG_BYTES: Final = 8 << 20
# Files come out exactly as they are committed: these win over every .gitattributes.
_ATTRIBUTES: Final = "* -text -eol -crlf -ident -filter -working-tree-encoding\n"
_T = TypeVar("_T")


class Mirror:
    """The bare mirror at `path`, used by one process at a time.

    What is wrong with the mirror itself is mended by fetching anew, once, beside it: it is replaced when that
    succeeded and not before, since some of it may be nowhere else by now. Where nothing can be written, it stays as
    it is. `environ` is the environment to pick from, see `hardened_environment`; `say` gets a line at a time of what
    happens.
    """

    def __init__(self, path: Path, *, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.path = path.absolute()
        self._say = say
        self._git = Commands(self.path, environ, say)
        self._source: tuple[Remote, float] | None = None

    def fetch(self, remote: Remote, *, timeout: float, max_bytes: int = MAX_BYTES) -> str:
        """Return the commit that the ref names, which is in the mirror then.

        `timeout` is in seconds, for everything; `max_bytes` limits what one fetch may bring. Commits fetched earlier
        stay. Raises SourceError.
        """
        self._source = None
        try:
            check(remote)
            commit = self._mending(
                lambda: self._fetch(remote, time.monotonic() + timeout, max_bytes),
                lambda: self._replace(remote, timeout, max_bytes),
            )
        except SourceError:
            raise
        except Refused as error:
            raise SourceError("refused", error.message) from None
        except WindmillError as error:
            raise SourceError("network", error.message, hint=error.hint) from None
        self._source = (remote, timeout)
        return commit

    def facts(self, commit: str) -> Commit:
        """Return who committed what and when."""
        _check_commit(commit)
        return self._again(lambda: self._log("--no-walk", commit))[0]

    def verify(self, commit: str, *, allowed_signers: Path | None, gpg_home: Path | None) -> None:
        """Return if the commit bears a signature of one of the allowed keys.

        `allowed_signers` is a file as ssh-keygen(1) describes it, for ssh signatures; `gpg_home` a directory with a
        public keyring of nothing but allowed keys. Raises Refused for every other commit.
        """
        signers = str(allowed_signers.absolute()) if allowed_signers else os.devnull
        home = {"GNUPGHOME": str(gpg_home.absolute()) if gpg_home else os.devnull}
        self.facts(commit)
        answer = self._git.run("-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", commit, extra=home)
        if answer.code != 0:  # whatever it wrote: of a stranger's signature git says that it is good
            raise Refused(
                f"commit {commit[:12]} is not signed by an allowed key",
                hint="sign it (`git commit -S`), or add the signer's public key to the allowed ones",
            )

    def export(self, commit: str, target: Path, path: str = "") -> None:
        """Lay out the files of the commit, or of its directory `path`, in the empty directory `target`.

        They come as they are committed, without .git: nothing is converted or filtered, submodules are left out and
        large files stay pointers. Raises Refused for symbolic links that lead out, for odd paths, and for more than
        50,000 files or 2 GiB before any of them is written.
        """
        if mistake := path and paths.mistake_in(path):
            raise Refused(f"the path of the git source {mistake}")
        _check_empty(target)
        self._again(lambda: self._export(commit, target.absolute(), path.strip("/")))

    def log(self, old: str, new: str, *, limit: int, path: str = "") -> list[Commit]:
        """Return the commits of `new` that are not in `old`, newest first, `limit` at most, those touching `path`.

        Empty when one of the two is not in the mirror.
        """
        if not (self._has(old) and self._has(new)):
            return []
        return self._log("--name-only", "--no-renames", f"--max-count={limit}", f"{old}..{new}", path=path)

    def last_removal(self, old: str, new: str, file: str) -> Commit | None:
        """Return the newest commit of `new` not in `old` that removed the file; None when none did."""
        if not (self._has(old) and self._has(new)):
            return None
        found = self._log("--diff-filter=D", "--no-renames", "--max-count=1", f"{old}..{new}", path=file)
        return found[0] if found else None

    def tidy(self) -> None:
        """Make one pack of many, and lose nothing by it. Takes two minutes at most; says it where it fails."""
        try:
            failed = git_upkeep.repack(self._git)
        except OSError as error:
            failed = WindmillError(str(error))
        if failed:
            self._say(f"the git mirror stays in many packs: {failed.message}")

    def discard(self) -> None:
        """Delete the mirror."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _again(self, work: Callable[[], _T]) -> _T:
        def anew() -> None:
            if self._source is None:
                raise WindmillError(f"the git mirror {self.path} is damaged", hint="the next sync fetches it anew")
            self._replace(*self._source, MAX_BYTES)

        return self._mending(work, anew)

    def _mending(self, work: Callable[[], _T], mend: Callable[[], None]) -> _T:
        try:
            try:
                return work()
            except Damaged as error:
                self._say(f"the git mirror is damaged and is fetched anew: {error.message}")
                mend()
                return work()
        except OSError as error:
            raise WindmillError(f"{error.filename or self.path}: {error.strerror or error}") from error

    def _replace(self, remote: Remote, timeout: float, max_bytes: int) -> None:
        """Fetch anew beside the mirror, and put the result in its place."""
        new, old = self._beside()
        mirror = Mirror(new, environ=self._git.environ, say=self._say)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        try:
            mirror._fetch(remote, time.monotonic() + timeout, max_bytes)
            if self.path.exists():
                self.path.rename(old)
            new.rename(self.path)
        finally:
            mirror.discard()
        shutil.rmtree(old, ignore_errors=True)

    def _beside(self) -> tuple[Path, Path]:
        """Return where a mirror lies while it is fetched anew, and where the one lies that it replaced."""
        return self.path.with_name(self.path.name + ".new"), self.path.with_name(self.path.name + ".old")

    def _fetch(self, remote: Remote, deadline: float, max_bytes: int) -> str:
        self._prepare()
        if not is_commit(remote.ref):
            wanted = poll.look_up(remote, environ=self._git.environ, timeout=_left(deadline)).ref
            return self._fetch_ref(remote, wanted, deadline, max_bytes)
        if not self._has(remote.ref):
            try:
                return self._fetch_ref(remote, remote.ref, deadline, max_bytes)
            except SourceError as error:
                if error.kind != "ref":
                    raise
            everything = ("+refs/heads/*:refs/windmill/heads/*", "+refs/tags/*:refs/windmill/tags/*")
            self._receive(remote, everything, deadline, max_bytes)
        if not self._has(remote.ref):
            raise SourceError("ref", f"{shown(remote.url)} has no commit {remote.ref} in any branch or tag")
        return remote.ref

    def _fetch_ref(self, remote: Remote, wanted: str, deadline: float, max_bytes: int) -> str:
        ours = mirrored(wanted)
        before = self._resolve(ours + "^{commit}")
        self._receive(remote, (f"+{wanted}:{ours}",), deadline, max_bytes)
        after = self._resolve(ours + "^{commit}")
        if after is None:
            raise SourceError("ref", f'{shown(remote.url)}: "{remote.ref}" names no commit')
        if (
            before
            and before != after
            and self._git.run("merge-base", "--is-ancestor", before, after, quiet=True).code
        ):
            self._say(f"{remote.ref} was rewritten: {before[:12]} is no longer part of it")
        return after

    def _receive(self, remote: Remote, refs: tuple[str, ...], deadline: float, max_bytes: int) -> None:
        options = ("--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules")
        arguments = ("fetch", *options, "--end-of-options", address(remote), *refs)
        timeout = _left(deadline)
        answer = self._git.run(*arguments, remote=remote, timeout=timeout, max_bytes=max_bytes)
        if answer.code:
            error = poll.failure(answer, remote, timeout)
            raise error if error.kind else unwritable(answer, self.path) or Damaged(error.message)

    def _export(self, commit: str, target: Path, path: str) -> None:
        self._prepare()
        if not self._has(commit):
            raise Damaged(f"it lacks commit {commit[:12]}")
        tree = self._resolve(f"{commit}:{path}")
        if tree is None or self._local("cat-file", "-t", tree).out.strip() != b"tree":
            raise Refused(f'commit {commit[:12]} has no directory "{path}"')
        listing = self._git.run("ls-tree", "-r", "-l", "-z", "--full-tree", tree, limit=git_tree.MAX_LISTING)
        if listing.code and not listing.cut:
            raise trouble(listing, self.path)
        held = git_tree.judge(listing.out)
        index = {"GIT_INDEX_FILE": str(self.path / "windmill.index")}
        self._local("read-tree", tree, extra=index)
        answer = self._git.run(
            "-c", "core.bare=false", f"--work-tree={target}", "checkout-index", "-afq", extra=index
        )
        if answer.code:
            raise trouble(answer, target)
        git_tree.check_links(target, held.links)
        if held.submodules:
            self._say(f"{held.submodules} submodules are left out")

    def _prepare(self) -> None:
        """Make the mirror where there is none, and take away what somebody killed at work left."""
        if not self.path.exists():
            self.path.mkdir(mode=0o700, parents=True)
            self._local("init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        if not (self.path / "HEAD").is_file():
            raise Damaged("it has no HEAD")
        for directory in self._beside():
            shutil.rmtree(directory, ignore_errors=True)
        git_upkeep.clean(self.path)
        (self.path / "info").mkdir(mode=0o700, exist_ok=True)
        (self.path / "info" / "attributes").write_text(_ATTRIBUTES)

    def _log(self, *arguments: str, path: str = "") -> list[Commit]:
        command = ("log", "-z", FORMAT, "--no-color", *arguments, "--", *([path] if path else []))
        answer = self._git.run(*command, limit=_LOG_BYTES, quiet=True)
        if answer.code and not answer.cut:
            raise trouble(answer, self.path)
        return commits(answer.out)

    def _has(self, commit: str) -> bool:
        _check_commit(commit)
        return self._resolve(commit + "^{commit}") is not None

    def _resolve(self, name: str) -> str | None:
        answer = self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, quiet=True)
        found = answer.out.decode(errors="replace").strip()
        return found if answer.code == 0 and is_commit(found) else None

    def _local(self, *arguments: str, extra: Mapping[str, str] | None = None) -> Answer:
        answer = self._git.run(*arguments, extra=extra, timeout=LOCAL_TIMEOUT)
        if answer.code:
            raise trouble(answer, self.path)
        return answer


def _check_commit(commit: str) -> None:
    """Raise Refused for anything but a full commit: git could take it for an option or another expression."""
    if not is_commit(commit):
        raise Refused(f"{commit[:100]!r} is no full commit")


def _check_empty(target: Path) -> None:
    try:
        full = any(target.iterdir())
    except OSError as error:
        raise cannot_write(target, error.strerror or str(error)) from error
    if full:
        raise Refused(f"{target} is not empty")


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
