"""YAML as a careful person writes it: in blocks, and in quotes where YAML 1.1 and 1.2 would differ. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

# What begins like a number, a date or a time of day, but for 2h and 10MiB, and the words that are true, false or
# nothing to somebody.
_DOUBTFUL: Final = re.compile(
    r"(?![1-9][0-9]*[a-z]{1,3}$)[-+.]*[0-9]|[-+]?\.(inf|nan)$|(y|n|yes|no|on|off|true|false|null|~|)$", re.IGNORECASE
)
# Lines that stay as they are when they are written below each other.
_LINES: Final = re.compile(r"(?! |\n)[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\U00010000-\U0010ffff]+")

# Marks that reorder the text around them: nobody who reads the file would see them.
_UNSEEN: Final = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def choose_scalar_style(self) -> Any:
        style = super().choose_scalar_style()
        return '"' if style == "'" else style


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = None
    if "\n" in value and _LINES.fullmatch(value) and not _UNSEEN.search(value):
        style = "|"
    elif _DOUBTFUL.match(value) or _UNSEEN.search(value):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def dump(document: Any) -> str:
    """Return the plain data as one document of YAML, keys in their order."""
    text: str = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=1 << 30,
    )
    return _UNSEEN.sub(lambda mark: f"\\u{ord(mark[0]):04X}", text)
