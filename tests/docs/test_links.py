"""A link in the documentation leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.pages import ROOT, Page, pages, read

EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@EVERY_PAGE
def test_every_relative_link_and_its_anchor_resolve(page: Page) -> None:
    by_path = {one.path: one for one in pages()}
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.path.parent / parts.path).resolve() if parts.path else page.path
        assert target.exists(), f"{page.name} links to {link}"
        assert target.is_relative_to(ROOT), f"{page.name} links out of the repository: {link}"
        if parts.fragment:
            assert parts.fragment in by_path[target].anchors, f"{page.name} links to {link}"


@EVERY_PAGE
def test_every_link_to_elsewhere_is_https(page: Page) -> None:
    for link in page.links:
        assert not re.match(r"http:(?!//(127.0.0.1|localhost)\b)", link), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    by_path = {one.path: one for one in pages()}
    reached, ahead = set[Path](), [ROOT / "docs/README.md"]
    while ahead:
        path = ahead.pop()
        if path in reached or path not in by_path:
            continue
        reached.add(path)
        for link in by_path[path].links:
            parts = urlsplit(link)
            if not parts.scheme and parts.path:
                ahead.append((path.parent / parts.path).resolve())
    assert {one.name for one in pages()} - {by_path[path].name for path in reached} == set()


def test_files_that_the_text_and_its_commands_name_exist() -> None:
    folders = "docs|deploy|scripts|tests|rules|exporter|dashboards|benchmarks"
    missing = []
    for page in pages():
        named = [span for span in page.spans if re.fullmatch(rf"(?:{folders})/[\w./-]+", span)]
        for block in page.shell():
            named += re.findall(rf"(?<![\w/.-])(?:\./)?((?:{folders})/[\w./-]*\w)", block.text)
        missing += [f"{page.name}: {name}" for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_anchors_are_made_as_github_makes_them() -> None:
    text = "# `bw-rules check`: what, *where*?\n\n## Once\n\n## Once\n"
    assert read("x.md", text).anchors == {"bw-rules-check-what-where", "once", "once-1"}
