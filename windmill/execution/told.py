"""What a job tells of itself with plain print: its progress and facts, read out of its output. No I/O.

`::progress 0.4` or `::progress 40%`, each perhaps followed by a space and text, and `::set name=value`: whole lines
of stdout, from their first character on. What is written any other way is output like all the rest.
"""

from __future__ import annotations

import json
import re
from typing import Final

from windmill.core.documents import Document
from windmill.execution.ledger import instant

FACTS_MAX: Final = 50
VALUE_MAX: Final = 1024  # bytes
TEXT_MAX: Final = 200  # characters

_LINE_MAX: Final = VALUE_MAX + 100  # bytes
_END: Final = b"\n"
_MARK: Final = b"\n::"
_LINE: Final = re.compile(rb"\n::(?:progress (?P<progress>[^\n]+)|set (?P<set>[^\n]+))(?=\n)")
_PROGRESS: Final = re.compile(r"(\d{1,3}(?:\.\d{1,15})?)(%?)(?: +(.*))?", re.ASCII)
_FACT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_-]{0,63})=(.*)", re.ASCII)
_NUMBER: Final = re.compile(  # JSON's, within what every store keeps
    r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII
)


class Told:
    """`news` is True from when something new was told until somebody sets it back."""

    def __init__(self) -> None:
        self.news = False
        self._progress: Document = {}
        self._facts: dict[str, str | int | float] = {}
        self._held = _END  # what the next bytes may complete: the end of a line, and the beginning of one of ours

    @property
    def document(self) -> Document:
        """The fields of the execution that come of it, where there are any: `progress` {value, text, at}, `facts`."""
        found: Document = {"progress": self._progress} if self._progress else {}
        return found | ({"facts": dict(self._facts)} if self._facts else {})

    def feed(self, data: bytes, at: int) -> None:
        """Take what stdout brought at `at` (ms since the epoch)."""
        if not data:
            return
        if self._held and (self._held != _END or data.startswith(b":")):
            data = self._held + data
        for line in _LINE.finditer(data):
            self._take(line, at)
        self._held = _END if data.endswith(_END) else _unfinished(data)

    def finish(self, at: int) -> None:
        """Take the last line, which may have no end."""
        self.feed(_END, at)

    def _take(self, line: re.Match[bytes], at: int) -> None:
        if line.end() - line.start() > _LINE_MAX:
            return
        text = (line["progress"] or line["set"]).decode(errors="replace").rstrip()
        if line["progress"]:
            self._take_progress(text, at)
        else:
            self._take_fact(text)

    def _take_progress(self, said: str, at: int) -> None:
        found = _PROGRESS.fullmatch(said)
        if found is None:
            return
        value = float(found[1]) / (100 if found[2] else 1)
        text = _printable(found[3] or "")[:TEXT_MAX]
        if value > 1 or (value, text) == (self._progress.get("value"), self._progress.get("text")):
            return
        self._progress = {"value": value, "text": text, "at": instant(at)}
        self.news = True

    def _take_fact(self, said: str) -> None:
        found = _FACT.fullmatch(said)
        if found is None or len(found[2].encode()) > VALUE_MAX:
            return
        name, value = found[1], _value(found[2].strip())
        if (name in self._facts or len(self._facts) < FACTS_MAX) and not _same(self._facts.get(name), value):
            self._facts[name] = value
            self.news = True


def _unfinished(data: bytes) -> bytes:
    """Return the last line, from the end of the one before on, where it may become one of ours."""
    start = data.rfind(_END)
    if start < 0 or len(data) - start > _LINE_MAX:
        return b""
    line = data[start:]
    return line if _MARK.startswith(line[: len(_MARK)]) else b""


def _value(text: str) -> str | int | float:
    """Return the number that JSON spells so, or the text."""
    return json.loads(text) if _NUMBER.fullmatch(text) else _printable(text)


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)
