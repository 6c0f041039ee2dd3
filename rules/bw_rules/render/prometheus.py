"""A rule file that Prometheus loads."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from bw_rules.groups.rule import as_mapping
from bw_rules.render.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bw_rules.groups.rule import Group


def render(groups: Sequence[Group], source: str) -> str:
    """Return the file's text; `source` is the path of the tenants.yaml, of which only the name shows."""
    return dump({"groups": [as_mapping(group) for group in groups]}, PurePath(source).name)
