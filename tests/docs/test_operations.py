"""What operations.md says that the exporter says."""

from __future__ import annotations

import re
from http.client import responses

import pytest

from .pages import ROOT

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "exporter/bw_exporter").rglob("*.py"))
)


def first_column(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows[1:]]


@pytest.mark.parametrize(
    "message", [one for row in first_column("Log lines") for one in re.findall(r"`(.+?)`", row)]
)
def test_a_log_line_of_the_page_is_one_of_the_exporter(message: str) -> None:
    for part in message.split("…"):
        assert part in SOURCES


@pytest.mark.parametrize(
    ("status", "words"),
    [found for row in first_column("What it answers") for found in re.findall(r"(\d{3}) ([a-z][^,]+)", row)],
)
def test_an_answer_of_the_page_is_one_of_the_exporter(status: str, words: str) -> None:
    said = words.replace("1048576", "{LARGEST_BODY_BYTES}")
    assert said in SOURCES or said == responses[int(status)].lower()
