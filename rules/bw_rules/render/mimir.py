"""A namespace of rule groups for the rulers of Mimir and Cortex, as mimirtool loads it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from bw_rules.render.yaml_text import dump
from bw_rules.rule import Alert, Group, as_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bw_rules.promql import Recording

RULES_PER_GROUP = 20
"""Mimir's default ruler_max_rules_per_rule_group."""


def render(groups: Sequence[Group], source: str, namespace: str) -> str:
    """Return the namespace's text, groups split to what Mimir allows by default."""
    parts = [as_mapping(part) for group in groups for part in _split(group)]
    return dump({"namespace": namespace, "groups": parts}, PurePath(source).name)


def _split(group: Group) -> Iterator[Group]:
    """Keep recordings and the first alerts together; what does not fit reads them from groups of its own."""
    recordings = tuple(rule for rule in group.rules if not isinstance(rule, Alert))
    alerts = tuple(rule for rule in group.rules if isinstance(rule, Alert))
    rules: tuple[Recording | Alert, ...] = (*recordings, *alerts)
    for number, start in enumerate(range(0, len(rules), RULES_PER_GROUP)):
        name = group.name if number == 0 else f"{group.name}.{number + 1}"
        yield Group(name, rules[start : start + RULES_PER_GROUP])
