"""What operations.md says that the exporter says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from http.client import responses

import pytest

from support.pages import ROOT

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
FILES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "exporter/bw_exporter").rglob("*.py"))]
SOURCES = "\n".join(FILES)
WORTH_A_LOOK = ("warning", "error", "exception", "critical")
"""Methods of a logger, from the level of a warning on."""


def first_column(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows[1:]]


LINES = [one for row in first_column("Log lines") for one in re.findall(r"`(.+?)`", row)]


def logged() -> Iterator[str]:
    """What the exporter logs as a warning or worse, as the page would say it."""
    for text in FILES:
        for call in ast.walk(ast.parse(text)):
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="_log" | "logger"), attr=method),
                    args=[ast.Constant(value=str(message)), *_],
                ) if method in WORTH_A_LOOK:
                    yield message.removesuffix(": %s").replace("%s", "…")


@pytest.mark.parametrize("message", LINES)
def test_a_log_line_of_the_page_is_one_of_the_exporter(message: str) -> None:
    for part in message.split("…"):
        assert part in SOURCES


@pytest.mark.parametrize("message", sorted(set(logged())))
def test_a_warning_or_error_of_the_exporter_is_on_the_page(message: str) -> None:
    assert message in LINES


def test_no_warning_of_the_exporter_hides_from_this_test() -> None:
    methods = "|".join(WORTH_A_LOOK)
    calls = re.findall(rf"\b_?log(?:ger)?\.(?:{methods})\(", SOURCES)
    assert len(calls) == len(list(logged())) > 15


@pytest.mark.parametrize(
    ("status", "words"),
    [found for row in first_column("What it answers") for found in re.findall(r"(\d{3}) ([a-z][^,]+)", row)],
)
def test_an_answer_of_the_page_is_one_of_the_exporter(status: str, words: str) -> None:
    said = words.replace("1048576", "{LARGEST_BODY_BYTES}")
    assert said in SOURCES or said == responses[int(status)].lower()
