from __future__ import annotations

import hashlib
import re
from pathlib import Path

from windmill import dashboard

VENDOR = Path(dashboard.__file__).parent / "static" / "vendor"
NOTES = (VENDOR / "VENDORED.md").read_text()
LISTED = dict(re.findall(r"^\| `([^`]+)` \| `[^`]+` \| `([0-9a-f]{64})` \|$", NOTES, re.MULTILINE))
PACKAGES = re.findall(r"^\| `([^`]+)` \| \S+ \| \d[\d.]* \| \w[\w.-]* \| ", NOTES, re.MULTILINE)


def test_every_file_from_others_is_listed_with_its_checksum() -> None:
    files = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    del files["VENDORED.md"]
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == LISTED


def test_every_package_has_its_version_and_licence_named_and_its_text_beside_it() -> None:
    assert sorted(PACKAGES) == sorted(path.name for path in VENDOR.iterdir() if path.is_dir())
    assert all((VENDOR / name / "LICENSE").stat().st_size > 500 for name in PACKAGES)
