"""The documentation as its readers meet it: pages with blocks of code, links and headings.

A comment before a block, which no reader sees, tells the tests about it; docs/README.md lists what it may say.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]

Kind = Literal["run", "stays", "not run", "file", "given", "stop"]
KINDS: tuple[Kind, ...] = ("run", "stays", "not run", "file", "given", "stop")

ALONE = ("given", "stop")
"""Kinds that are no block's."""

_AWAY = "sudo|docker|kubectl|kustomize|helm|psql|pg_dump|stripe|systemctl|journalctl|ssh|mimirtool"
_ELSEWHERE = re.compile(rf"(?m)(?:^|[|;&(]|\$ )\s*({_AWAY})\b")
"""Programs that the tests do not have: a block with one of them is not run."""

_REMARK = re.compile(r"<!-- test: (.*?)\s*-->\s*$", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code, or a step that only a comment tells of (`given` and `stop`).

    `remark` is what the comment says after its kind: a port, a reason, a path or commands.
    """

    page: str
    line: int
    language: str
    text: str
    kind: Kind = "run"
    remark: str = ""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One page. `anchors` are the names that its headings give to links."""

    name: str
    blocks: tuple[Block, ...]
    links: tuple[str, ...]
    anchors: frozenset[str]
    spans: tuple[str, ...] = field(repr=False)

    @property
    def path(self) -> Path:
        return ROOT / self.name

    def shell(self) -> list[Block]:
        """What a reader types, and what only the tests do between that."""
        return [one for one in self.blocks if one.language in ("sh", "console") or one.kind in ALONE]


@cache
def pages() -> tuple[Page, ...]:
    """README, and everything in docs/."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(read(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found)


def read(name: str, text: str) -> Page:
    """Read a page's Markdown."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [child for token in tokens for child in token.children or ()]
    return Page(
        name,
        tuple(_blocks(name, tokens)),
        tuple(str(one.attrs[key]) for one in inner for key in ("href", "src") if key in one.attrs),
        frozenset(_anchors(tokens)),
        tuple(one.content for one in inner if one.type == "code_inline"),
    )


def _blocks(name: str, tokens: list[Token]) -> list[Block]:
    blocks: list[Block] = []
    kind: Kind = "run"
    remark = ""
    for token in tokens:
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            language = token.info.strip()
            away = _ELSEWHERE.search(token.content) if language in ("sh", "console") else None
            if away and kind == "run":
                kind, remark = "not run", away[1]
            blocks.append(Block(name, line, language, token.content, kind, remark))
        elif token.type == "code_block":
            blocks.append(Block(name, line, "indented", token.content))
        kind, remark = _told(token, f"{name}:{line}") if token.type == "html_block" else ("run", "")
        if kind in ALONE:
            blocks.append(Block(name, line, "comment", remark, kind, remark))
            kind, remark = "run", ""
    return blocks


def _told(comment: Token, where: str) -> tuple[Kind, str]:
    """What a comment says of the block after it."""
    said = _REMARK.match(comment.content)
    if said is None:
        return "run", ""
    kind = next((kind for kind in KINDS if re.match(rf"{kind}\b", said[1])), None)
    assert kind, f"{where}: the comment before it says none of {', '.join(KINDS)}"
    return cast("Kind", kind), said[1].removeprefix(kind).strip(" ,:\n")


def _anchors(tokens: list[Token]) -> list[str]:
    """As GitHub makes them: lower case, spaces to hyphens, punctuation away, repetitions numbered."""
    found: list[str] = []
    times: Counter[str] = Counter()
    for heading, content in pairwise(tokens):
        if heading.type == "heading_open":
            text = "".join(child.content for child in content.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.append(f"{slug}-{times[slug]}" if times[slug] else slug)
            times[slug] += 1
    return found
