"""What a page tells its reader to type works, in the page's order, in a folder that has what the page said."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bw_rules.verify import tools
from support.pages import Block, Page, pages

from .stage import Stage

PAGES = [page for page in pages() if any(block.kind in ("run", "stays") for block in page.shell())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_works_and_says_what_the_page_shows(page: Page, tmp_path: Path) -> None:
    missing = [name for name in sorted(_programs(page)) if not tools.find(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} is neither on PATH nor in .tools/bin")
    with Stage(tmp_path) as stage:
        for block in page.blocks:
            if block.kind != "run" or block.language in ("sh", "console"):
                said = stage.play(block)
            if block.language == "console" and block.kind == "run":
                assert re.fullmatch(_promised(block), said.rstrip()), (
                    f"{block.where} promises otherwise:\n{said}"
                )


def test_what_is_not_run_says_why() -> None:
    for page in pages():
        for block in page.blocks:
            assert block.kind != "not run" or block.remark, block.where


def _programs(page: Page) -> set[str]:
    """The programs of other projects that the page runs."""
    text = "\n".join(block.text for block in page.shell() if block.kind in ("run", "stays", "given"))
    named = set(
        re.findall(
            r"(?m)(?:^|[|;&(]|\$ )\s*(promtool|prometheus|amtool|alertmanager|sqlite3|curl|jq)\b", text
        )
    )
    if "bw-rules test" in text:
        named.add("promtool")
    return {name for name in named if not shutil.which(name)}


def _promised(block: Block) -> str:
    """What the commands say, as a pattern: `…` is anything in a line, a line of `…` alone any lines."""
    lines = [line for line in block.text.splitlines() if not line.startswith("$ ")]
    patterns = [
        r"(?:.*\n)*?.*" if line.strip() == "…" else ".*?".join(map(re.escape, line.rstrip().split("…")))
        for line in lines
    ]
    return "\n".join(patterns)
