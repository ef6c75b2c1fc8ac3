"""A repository whose configuration names a program wherever git would start one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.git_server import Upstream

FILES: Final = {"jobs.d/a.yaml": "entry_point: main.py\n", "main.py": "print(1)\n", "requirements.txt": "six\n"}


def hostile(upstream: Upstream, witness: Path) -> str:
    """Let the repository name a program that writes the witness; return its last commit, which holds FILES."""
    commit = upstream.commit({**FILES, ".gitattributes": "* filter=x diff=x merge=x\n"})
    script = upstream.path.parent / "run"
    script.write_text(f'#!/bin/sh\necho "$0 $@" >> {witness}\n')
    script.chmod(0o755)
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (upstream.path / ".git" / "hooks" / hook).parent.mkdir(exist_ok=True)
        (upstream.path / ".git" / "hooks" / hook).symlink_to(script)
    keys = {
        "core": ("fsmonitor", "sshCommand", "pager", "editor", "askPass", "gitProxy", "alternateRefsCommand"),
        "diff": ("external",),
        'diff "x"': ("textconv", "command"),
        'filter "x"': ("clean", "smudge", "process"),
        'merge "x"': ("driver",),
        "gpg": ("program",),
        "pager": ("rev-parse", "ls-tree", "cat-file"),
        "uploadpack": ("packObjectsHook",),
        'remote "evil"': ("uploadpack", "vcs"),
        "credential": ("helper",),
        "sequence": ("editor",),
    }
    with (upstream.path / ".git" / "config").open("a") as file:
        for section, names in keys.items():
            file.write(f"[{section}]\n" + "".join(f"\t{name} = {script}\n" for name in names))
        file.write(f"[core]\n\thooksPath = {upstream.path / '.git' / 'hooks'}\n\trepositoryformatversion = 1\n")
        file.write(f"[alias]\n\trev-parse = !{script}\n\tls-tree = !{script}\n\tcat-file = !{script}\n")
        file.write(
            f'[extensions]\n\tpartialClone = evil\n[remote "evil"]\n\tpromisor = true\n\turl = ext::{script}\n'
        )
    return commit
