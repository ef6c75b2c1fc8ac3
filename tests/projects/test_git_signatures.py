from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.git_server import ENVIRON, Upstream
from windmill.core.errors import Refused
from windmill.projects.git import Mirror
from windmill.projects.source import Remote

ssh_only = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
gpg_only = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror.git", environ=ENVIRON, say=print)


def ssh_key(path: Path) -> str:
    """Make a key and return its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def signed(upstream: Upstream, key: str, sort: str = "ssh", **environ: str) -> str:
    options = ("-c", f"gpg.format={sort}", "-c", f"user.signingkey={key}")
    upstream.git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "signed", **environ)
    return upstream.head()


def verified(
    mirror: Mirror, upstream: Upstream, *, allowed_signers: Path | None = None, gpg_home: Path | None = None
) -> bool:
    commit = mirror.fetch(Remote(url=upstream.url), timeout=30)
    try:
        mirror.verify(commit, allowed_signers=allowed_signers, gpg_home=gpg_home)
    except Refused:
        return False
    return True


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    """Allow one ssh key, `tmp_path`/allowed; the key `tmp_path`/foreign is not."""
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.com {ssh_key(tmp_path / 'allowed')}\n")
    ssh_key(tmp_path / "foreign")
    return signers


@ssh_only
def test_an_allowed_ssh_key_is_good(mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path) -> None:
    signed(upstream, str(tmp_path / "allowed"))
    assert verified(mirror, upstream, allowed_signers=signers)


@ssh_only
def test_a_foreign_ssh_key_is_refused_though_git_calls_it_good(
    mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path
) -> None:
    signed(upstream, str(tmp_path / "foreign"))
    assert not verified(mirror, upstream, allowed_signers=signers)


@ssh_only
def test_an_unsigned_commit_is_refused(mirror: Mirror, upstream: Upstream, signers: Path) -> None:
    upstream.commit({})
    assert not verified(mirror, upstream, allowed_signers=signers)


@ssh_only
def test_an_unsigned_commit_on_a_signed_one_is_refused(
    mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path
) -> None:
    signed(upstream, str(tmp_path / "allowed"))
    upstream.commit({"main.py": "evil"})
    assert not verified(mirror, upstream, allowed_signers=signers)


@ssh_only
def test_a_signature_moved_to_another_commit_is_refused(
    mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path
) -> None:
    text = upstream.git("cat-file", "commit", signed(upstream, str(tmp_path / "allowed")))
    forged = upstream.git(
        "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.replace("\n\nsigned", "\n\nforged")
    )
    upstream.git("update-ref", "refs/heads/main", forged)
    assert not verified(mirror, upstream, allowed_signers=signers)


@ssh_only
@pytest.mark.parametrize("content", [None, "", "garbage\n"])
def test_without_allowed_keys_nothing_is_good(
    mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path, content: str | None
) -> None:
    signed(upstream, str(tmp_path / "allowed"))
    if content is not None:
        signers.write_text(content)
    assert not verified(mirror, upstream, allowed_signers=None if content is None else signers)


@ssh_only
def test_the_allowed_keys_of_the_repository_itself_count_nothing(
    mirror: Mirror, upstream: Upstream, signers: Path, tmp_path: Path
) -> None:
    foreign = (tmp_path / "foreign.pub").read_text()
    upstream.write({"signers": f"ada@example.com {foreign}", ".gitconfig": "[gpg]\n\tprogram = true\n"})
    upstream.git("add", "-A")
    signed(upstream, str(tmp_path / "foreign"))
    assert not verified(mirror, upstream, allowed_signers=signers)


@pytest.fixture
def gpg() -> Iterator[Path]:
    """Give a directory with the homes `signer` of a signer, and `allowed` and `empty` of keyrings."""
    with tempfile.TemporaryDirectory() as directory:  # short: an agent listens in it
        homes = [Path(directory, name) for name in ("signer", "allowed", "empty")]
        for home in homes:
            home.mkdir(0o700)
        _gpg(homes[0], "--passphrase", "", "--quick-gen-key", "Ada <ada@example.com>", "ed25519", "sign", "never")
        _gpg(homes[1], "--import", stdin=_gpg(homes[0], "--export"))
        yield Path(directory)
        for home in homes:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


def _gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", *arguments]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


@gpg_only
def test_an_allowed_gpg_key_is_good(mirror: Mirror, upstream: Upstream, gpg: Path) -> None:
    signed(upstream, "ada@example.com", "openpgp", GNUPGHOME=str(gpg / "signer"))
    assert verified(mirror, upstream, gpg_home=gpg / "allowed")


@gpg_only
@pytest.mark.parametrize("home", [None, "empty", "nowhere"])
def test_a_gpg_key_that_is_not_allowed_is_refused(
    mirror: Mirror, upstream: Upstream, gpg: Path, home: str | None
) -> None:
    signed(upstream, "ada@example.com", "openpgp", GNUPGHOME=str(gpg / "signer"))
    assert not verified(mirror, upstream, gpg_home=gpg / home if home else None)


@gpg_only
@ssh_only
def test_each_sort_of_key_has_a_list_of_its_own(
    mirror: Mirror, upstream: Upstream, gpg: Path, signers: Path, tmp_path: Path
) -> None:
    signed(upstream, "ada@example.com", "openpgp", GNUPGHOME=str(gpg / "signer"))
    assert not verified(mirror, upstream, allowed_signers=signers)
    signed(upstream, str(tmp_path / "allowed"))
    assert not verified(mirror, upstream, gpg_home=gpg / "allowed")
