"""A job's bytes as text for a page: what a terminal would have been told is gone, what a person reads stays. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from windmill.core.ports import OutputBlock

# One alternative per kind of sequence (ECMA-48): strings (OSC, DCS, SOS, PM, APC) to their end, CSI, short escapes.
# A string that nobody ended hides no more than its line.
_SEQUENCE: Final = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=[\x1b\n])|\Z)"
    r"|\x1b\[[0-?]*[ -/]*(?:[@-~]|\Z)"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 and C1 controls but tab and line feed, DEL, and the marks that reorder the text around them.
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LINE_MAX: Final = 10_000  # characters of one line; what is raw has them all
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def visible(value: object) -> object:
    """Return the value; of a text that nobody made markup, with signs for what would steer or reorder other text."""
    return _UNSAFE.sub(_REPLACEMENT, value) if type(value) is str else value


def plain(text: str) -> str:
    """Return the text as its lines stood at last: without escape sequences, and without what was written over.

    Of a line that carriage returns wrote again and again, the last version stays.
    """
    return str(visible("\n".join(map(_at_last, _SEQUENCE.sub("", text).split("\n")))))


class Line(NamedTuple):
    """A line as it stood at last. `at` is when it began, in milliseconds; `more` characters follow."""

    number: int
    at: int
    text: str
    more: int


def lines(blocks: Iterable[OutputBlock], *, note: str, first: int = 1, before: int | None = None) -> list[Line]:
    """Return the lines of the blocks, numbered from `first` on; for `note` and `before` see `decoded`."""
    raw: list[tuple[int, str]] = []
    begun: tuple[int, list[str]] | None = None
    for at, piece in _pieces(blocks, note=note, before=before):
        head, *rest = piece.split("\n")
        for part in rest:
            since, parts = begun or (at, [])
            raw.append((since, "".join([*parts, head])))
            begun, head = None, part
        if head:
            begun = begun or (at, [])
            begun[1].append(head)
    if begun:
        raw.append((begun[0], "".join(begun[1])))
    return [_line(number, at, text) for number, (at, text) in enumerate(raw, first)]


def decoded(blocks: Iterable[OutputBlock], *, note: str, before: int | None = None) -> str:
    """Return the blocks as one text, each stream decoded by itself, with a line of ours where frames are missing.

    `before` is the frame that the blocks are to follow; None where they begin anywhere.
    """
    return "".join(piece for _, piece in _pieces(blocks, note=note, before=before))


def _pieces(blocks: Iterable[OutputBlock], *, note: str, before: int | None) -> Iterator[tuple[int, str]]:
    decoders = {}
    at = 0
    for block in blocks:
        at = block.at
        if before is not None and block.first > before + 1:
            yield at, f"\n[... {note} ...]\n"
        before = max(before or 0, block.last)
        if block.stream not in decoders:
            decoders[block.stream] = codecs.getincrementaldecoder("utf-8")("replace")
        yield at, decoders[block.stream].decode(block.data)
    for decoder in decoders.values():
        yield at, decoder.decode(b"", final=True)


def _line(number: int, at: int, raw: str) -> Line:
    text = plain(raw)
    return Line(number, at, text[:LINE_MAX], max(len(text) - LINE_MAX, 0))


def _at_last(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
