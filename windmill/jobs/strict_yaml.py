"""YAML that means one thing only: plain data with the place of every value, or problems naming line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from windmill.core.errors import Problem
from windmill.jobs.scalars import resolve

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000
MAX_PROBLEMS: Final = 100

Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, from 1

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)
_DROPPED: Final = "\0"  # no scalar holds NUL, so this key collides with none


@dataclass(slots=True)
class Document:
    """One document as plain data: dict with text keys, list, str, int, float, bool, None.

    `places` has the place of every value by path, `keys` that of every mapping key, `written` the text of each
    plain value that is not text. `broken` says that a problem was reported inside it.
    """

    data: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    broken: bool = False

    def place(self, path: Path) -> Place:
        """Return the place of the value at `path`, else of the nearest one around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


class _Stop(Exception):
    """Ends the reading of a file; carries the last problem."""

    def __init__(self, place: Place, message: str, **more: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.more = more


def read(content: bytes, *, file: str) -> tuple[list[Document], list[Problem]]:
    """Return the documents of a file that are not null, and every problem of it; never raises.

    A syntax error ends the file: documents before it count. A limit passed means no documents at all. Anything
    that readers of YAML 1.1 and 1.2 would understand differently is a problem, and so are repeated keys, anchors,
    aliases, tags, directives, keys that are not text, and characters that do not print.
    """
    composer = _Composer(file)
    try:
        text = _decode(content)
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except _Stop as stop:
        composer.documents.clear()
        composer.report(stop.place, stop.message, **stop.more)
    except yaml.MarkedYAMLError as error:
        composer.report(*_syntax(error, text))
    except yaml.YAMLError as error:
        composer.report((1, 1), f"not valid YAML: {error}")
    return composer.documents, composer.problems


def _decode(content: bytes) -> str:
    """Return the text, without byte order mark; raises _Stop for what YAML must not see."""
    if len(content) > MAX_BYTES:
        raise _Stop(
            (1, 1), "the file is too large", expected="at most 256 KiB", found=f"{len(content)} bytes or more"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        hint = "save the file as UTF-8"
        raise _Stop(_end_of(before), "not UTF-8", found=f"byte 0x{content[error.start]:02x}", hint=hint) from None
    if odd := _UNPRINTABLE.search(text):
        place = _end_of(text[: odd.start()])
        raise _Stop(place, "a character that does not print", found=f"U+{ord(odd[0]):04X}", hint="remove it")
    if directive := _DIRECTIVE.search(text):
        place = _end_of(text[: directive.start()])
        raise _Stop(place, "YAML directives are not supported", hint="remove the line that starts with %")
    return text


def _end_of(text: str) -> Place:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[Place, str, str, str, str]:
    """Return place, message, expected, found and hint of a syntax error."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines() or [""]
    if line >= len(lines):  # the end of the file, where something is still open
        line, column = len(lines) - 1, len(lines[-1])
    shown = lines[line]
    message = f"not valid YAML: {error.problem or error.context}"
    hint = ""
    if "\t" in shown[: column + 1]:
        hint = "indent with spaces: YAML does not allow tabs there"
    elif re.search(r"[:-]\s+[*@&!%`]", shown):
        hint = 'put the value in quotes, as in  "*/5 * * * *"'
    elif "mapping values" in message:
        hint = 'put a value that contains ": " in quotes'
    return (line + 1, column + 1), message, "", "", hint


@dataclass(slots=True)
class _Open:
    """A container whose end has not come yet; `key` is set while a mapping waits for the value of it."""

    holder: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None


class _Composer:
    """Builds documents from parser events without recursion, counting depth and nodes as they come."""

    def __init__(self, file: str) -> None:
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self._file = file
        self._document = Document()
        self._open: list[_Open] = []
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Add one event; raises _Stop when a limit is passed."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._container({}, event)
            case yaml.SequenceStartEvent():
                self._container([], event)
            case yaml.CollectionEndEvent():
                self._open.pop()
            case yaml.DocumentStartEvent():
                self._document = Document()
                self._nodes += 2  # what two more events cost to read
            case yaml.DocumentEndEvent():
                if self._document.data is not None or self._document.broken:
                    self.documents.append(self._document)
            case yaml.AliasEvent():
                self._alias(event)
            case _:
                pass  # start and end of the stream

    def report(self, place: Place, message: str, expected: str = "", found: str = "", hint: str = "") -> None:
        """Add a problem and mark the document it lies in."""
        self._document.broken = True
        line, column = place
        problem = Problem(
            file=self._file, line=line, column=column, message=message, expected=expected, found=found, hint=hint
        )
        self.problems.append(problem)
        if len(self.problems) == MAX_PROBLEMS:
            raise _Stop(place, f"more than {MAX_PROBLEMS - 1} problems; the rest is not listed")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._count(event)
        text = event.value
        value: Any = text
        if "\0" in text:
            self.report(place, "text must not contain NUL", found='"\\0"')
            value = text = text.replace("\0", "")
        if not event.style and event.implicit[0]:
            value, mistake, hint = resolve(text)
            if mistake:
                self.report(place, mistake, found=text[:40], hint=hint)
        if self._wants_key():
            self._key(text, value, place)
            return
        path = self._value(value, place)
        if not isinstance(value, str):
            self._document.written[path] = text

    def _container(self, holder: dict[str, Any] | list[Any], event: yaml.NodeEvent) -> None:
        place = self._count(event)
        if len(self._open) >= MAX_DEPTH:
            raise _Stop(place, "nested too deeply", expected=f"at most {MAX_DEPTH} levels")
        if self._wants_key():
            self.report(place, "a key must be text", found="a list or mapping")
            self._open[-1].key = _DROPPED
            self._open.append(_Open(holder, (*self._open[-1].path, _DROPPED)))
        else:
            self._open.append(_Open(holder, self._value(holder, place)))

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._count(event)
        hint = f'put it in quotes if it is text: "*{event.anchor}"; otherwise write the value out'
        self.report(place, "aliases are not supported", found=f"*{event.anchor}", hint=hint)
        if self._wants_key():
            self._open[-1].key = _DROPPED
        else:
            self._value(None, place)

    def _count(self, event: yaml.NodeEvent) -> Place:
        """Return the place of a node after counting it and refusing its anchor and tag."""
        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Stop(place, "too many values in one file", expected=f"at most {MAX_NODES}")
        if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
            self.report(place, "anchors are not supported", found=f"&{event.anchor}", hint="write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            self.report(place, "tags are not supported", found=tag[:40], hint="remove the tag, or quote the text")
        return place

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].key is None and isinstance(self._open[-1].holder, dict)

    def _key(self, text: str, value: Any, place: Place) -> None:
        """Remember the key whose value comes next; a key that may not be used drops that value."""
        top = self._open[-1]
        path = (*top.path, text)
        top.key = text
        if text == "<<":
            self.report(place, "merge keys are not supported", found="<<", hint="write the keys out")
            top.key = _DROPPED
        elif not isinstance(value, str):
            self.report(place, "a key must be text", found=text or "nothing", hint=f'put it in quotes: "{text}"')
        elif text in top.holder:
            first = self._document.keys[path][0]
            self.report(place, f'key "{text[:80]}" is repeated', found=f"the first one in line {first}")
            top.key = _DROPPED
        self._document.keys.setdefault(path, place)

    def _value(self, value: Any, place: Place) -> Path:
        """Put the value where it belongs and return its path."""
        path: Path = ()
        if not self._open:
            self._document.data = value
        else:
            top = self._open[-1]
            if isinstance(top.holder, list):
                path = (*top.path, len(top.holder))
                top.holder.append(value)
            else:
                path = (*top.path, top.key or "")
                if top.key != _DROPPED:
                    top.holder[top.key or ""] = value
                top.key = None
        self._document.places.setdefault(path, place)
        return path
