"""A namespace of rule groups for the rulers of Mimir and Cortex, as mimirtool loads it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from bw_rules.groups.rule import as_mapping
from bw_rules.render.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bw_rules.groups.rule import Group

RULES_PER_GROUP = 20
"""Mimir's default ruler_max_rules_per_rule_group; groups are to be built with it."""

GROUPS_PER_TENANT = 70
"""Mimir's default ruler_max_rule_groups_per_tenant, which a file may exceed where Mimir's has been raised."""


def render(groups: Sequence[Group], source: str, namespace: str) -> str:
    """Return the namespace's text."""
    document = {"namespace": namespace, "groups": [as_mapping(group) for group in groups]}
    return dump(document, PurePath(source).name)


def too_many(groups: int) -> str:
    """Return what to do about more groups than Mimir takes of one tenant by default."""
    return (
        f"makes {groups} groups, and Mimir takes {GROUPS_PER_TENANT} of one tenant of its own by default; raise its "
        "ruler_max_rule_groups_per_tenant, or have tenants share their thresholds"
    )
