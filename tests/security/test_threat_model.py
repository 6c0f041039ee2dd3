"""docs/security.md: each line of the threat model names a test, and the test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/security.md"
NAMED = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def lines() -> list[str]:
    """Return the rows of the tables whose last column is a test."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        inside = line.startswith("|") and (inside or line.endswith("| test |"))
        if inside and not line.endswith("| test |") and not line.startswith("|---"):
            found.append(line)
    return found


def test_each_line_of_the_threat_model_names_a_test_that_exists():
    assert len(lines()) > 30
    for line in lines():
        named = NAMED.findall(line.split("|")[-2])
        assert named, line
        for test, file in named:
            functions = ast.walk(ast.parse((ROOT / file).read_text()))
            assert test in {each.name for each in functions if isinstance(each, ast.FunctionDef)}, (
                file,
                test,
            )


def test_how_to_report_is_told_without_an_address_that_nobody_reads():
    text = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    assert not re.search(r"\S+@\S+\.\S+", text)
