"""design.md says of every dependency why it is there."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SECTION = (
    (ROOT / "docs/design.md")
    .read_text(encoding="utf-8")
    .partition("\n## Dependencies\n")[2]
    .partition("\n## ")[0]
)


def names(wanted: list[object]) -> set[str]:
    return {re.split(r"[<>=\[ ;]", one)[0] for one in wanted if isinstance(one, str)}


def explained() -> tuple[set[str], set[str]]:
    """The packages with a reason: of those who run it, and of those who develop it."""
    found: list[set[str]] = []
    for table in SECTION.split("| package | why |\n")[1:]:
        rows = re.findall(r"^\| ([a-z][^|]*) \| +\S[^|]* \|$", table, re.MULTILINE)
        found.append({re.sub(r" \(.*\)", "", name) for row in rows for name in row.split(", ")})
    for_all, for_developers = found
    return for_all, for_developers


def test_every_dependency_of_the_package_has_its_reason_in_the_design() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    assert explained()[0] == names(project["dependencies"]).union(*map(names, extras))


@pytest.mark.parametrize("group", PROJECT["dependency-groups"])
def test_every_dependency_of_a_group_for_development_has_its_reason_in_the_design(group: str) -> None:
    assert names(PROJECT["dependency-groups"][group]) <= explained()[1]


def test_every_reason_in_the_design_is_of_a_dependency() -> None:
    groups = PROJECT["dependency-groups"].values()
    assert explained()[1] == set().union(*map(names, groups)) | names(PROJECT["build-system"]["requires"])
