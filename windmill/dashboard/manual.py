"""The manual that is shipped with the package, as pages: what there is, how it reads, where a word stands."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

FIRST: Final = (
    "quickstart",
    "job-files",
    "scheduling",
    "projects",
    "jobs-repository",
    "dashboard",
    "alerts",
    "operating",
)
LAST: Final = ("architecture", "changelog")  # before the decisions, which come in their own order
DECISIONS: Final = "decisions/"
SUFFIX: Final = ".md"
CONTENTS: Final = ("h2", "h3")  # what a table of contents lists
WORDS_MAX: Final = 8  # that are searched for
HITS_MAX: Final = 30
SUMMED_UP: Final = 4  # headings that stand for a page which begins with one
AROUND: Final = 90  # characters of an excerpt on either side of the word
_PUNCTUATION: Final = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading of a page; `anchor` is made as GitHub makes it, so that a link to it leads to it on both."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What stands under one heading, as plain text."""

    heading: Heading
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the manual by its name, such as decisions/0001-a-pure-core; `summary` is a line on what it tells."""

    name: str
    title: str
    summary: str
    sections: tuple[Section, ...]
    tokens: tuple[Token, ...]

    @property
    def contents(self) -> list[Heading]:
        """The headings below the title."""
        return [one.heading for one in self.sections if f"h{one.heading.level}" in CONTENTS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A section in which every word stands; of `before`, `word` and `after` the excerpt is made."""

    page: Page
    heading: Heading
    before: str
    word: str
    after: str


@lru_cache(maxsize=1)
def pages() -> Mapping[str, Page]:
    """Return every page by its name, in the order in which they are read."""
    found = dict(_sources(files("windmill") / "docs", ""))
    known = [name for name in (*FIRST, *LAST) if name in found]
    others = sorted(found.keys() - {*known}, key=lambda name: (name.startswith(DECISIONS), name))
    middle = [name for name in others if not name.startswith(DECISIONS)]
    at = sum(name in FIRST for name in known)
    order = [*known[:at], *middle, *known[at:], *(name for name in others if name.startswith(DECISIONS))]
    return {name: _page(name, found[name]) for name in order}


@lru_cache(maxsize=256)
def rendered(name: str, root: str) -> Markup:
    """Return the page as HTML; links between pages lead below `root`. Raises KeyError for no page of that name."""
    page = pages()[name]
    return Markup(_markdown().renderer.render(page.tokens, _markdown().options, {"name": name, "root": root}))  # noqa: S704 - our own text, without HTML of its own


def find(asked: str) -> list[Hit]:
    """Return the sections that hold every word asked for, those first whose heading does; HITS_MAX at most."""
    words = asked.casefold().split()[:WORDS_MAX]
    if not words:
        return []
    hits = [hit for page in pages().values() for section in page.sections if (hit := _hit(page, section, words))]
    hits.sort(key=lambda hit: not any(word in hit.heading.text.casefold() for word in words))
    return hits[:HITS_MAX]


def _sources(directory: Traversable, below: str) -> Iterator[tuple[str, str]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{below}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield below + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")


def _page(name: str, source: str) -> Page:
    tokens = _markdown().parse(source)
    sections = tuple(_sections(tokens, name))
    return Page(
        name=name,
        title=sections[0].heading.text,
        summary=_summary(tokens) or " · ".join(one.heading.text for one in sections[1 : 1 + SUMMED_UP]),
        sections=sections,
        tokens=tuple(tokens),
    )


def _summary(tokens: Sequence[Token]) -> str:
    """Return the first sentence between the title and the next heading, "" where there is none."""
    headings = 0
    for before, token in pairwise(tokens):
        headings += before.type == "heading_open"
        if headings > 1:
            return ""
        if before.type == "paragraph_open":
            return re.split(r"(?<=[.:]) ", _plain(token))[0].rstrip(":")
    return ""


def _sections(tokens: Sequence[Token], name: str) -> Iterator[Section]:
    """Yield the sections of a page, and give every heading its anchor; what has none goes by the page's name."""
    heading = Heading(level=1, text=name, anchor="")
    texts: list[str] = []
    taken: dict[str, int] = {}
    for before, token in zip([*tokens[:1], *tokens], tokens, strict=False):
        if before.type == "heading_open" and token.type == "inline":
            if texts or heading.anchor:
                yield Section(heading=heading, text=" ".join(texts))
            text = _plain(token)
            heading, texts = Heading(level=int(before.tag[1]), text=text, anchor=_anchor(text, taken)), []
            before.attrSet("id", heading.anchor)
        elif token.type in {"inline", "fence", "code_block"}:
            texts.append(_plain(token))
    yield Section(heading=heading, text=" ".join(texts))


def _anchor(text: str, taken: dict[str, int]) -> str:
    anchor = _PUNCTUATION.sub("", text.strip().lower()).replace(" ", "-") or "section"
    count = taken[anchor] = taken.get(anchor, -1) + 1
    return f"{anchor}-{count}" if count else anchor


def _plain(token: Token) -> str:
    if token.children is None:
        return token.content
    return "".join(" " if child.type in {"softbreak", "hardbreak"} else child.content for child in token.children)


def _hit(page: Page, section: Section, words: Sequence[str]) -> Hit | None:
    # every letter stays one, so that a place in the one text is the same place in the other
    text = re.sub(r"\s+", " ", section.text)
    low = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    whole = f"{section.heading.text.casefold()} {low}"
    if not all(word in whole for word in words):
        return None
    at, word = min(((low.find(word), word) for word in words if word in low), default=(0, ""))
    start = max(at - AROUND, 0)
    end = at + len(word)
    return Hit(
        page=page,
        heading=section.heading,
        before=("…" if start else "") + text[start:at],
        word=text[at:end],
        after=text[end : end + AROUND] + ("…" if end + AROUND < len(text) else ""),
    )


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    for name, rule in (
        ("link_open", _link),
        ("fence", _code),
        ("code_block", _code),
        ("table_open", _table),
        ("table_close", _table),
        ("th_open", _cell),
        ("td_open", _cell),
    ):
        markdown.add_render_rule(name, rule)
    return markdown


def _link(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Mapping[str, str]) -> str:
    token = tokens[index]
    address, hash_, anchor = str(token.attrGet("href") or "").partition("#")
    if address.endswith(SUFFIX) and "://" not in address:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(env["name"]), address.removesuffix(SUFFIX)))
        return f'<a href="{Markup.escape(env["root"] + path + hash_ + anchor)}">'
    return str(self.renderToken(tokens, index, options, env))


def _code(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<pre class="code" tabindex="0"><code>{Markup.escape(tokens[index].content)}</code></pre>\n'


def _table(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<div class="scroll" tabindex="0"><table>\n' if tokens[index].nesting == 1 else "</table></div>\n"


def _cell(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tag = tokens[index].tag  # without the style that an alignment would be
    return '<th scope="col">' if tag == "th" else "<td>"
