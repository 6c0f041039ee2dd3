"""A PrometheusRule for the Prometheus operator."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from bw_rules.render.yaml_text import dump
from bw_rules.rule import as_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bw_rules.rule import Group


def render(
    groups: Sequence[Group], source: str, name: str, namespace: str | None, labels: Mapping[str, str]
) -> str:
    """Return the resource's text; `labels` are those that the operator's ruleSelector asks for."""
    metadata = {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": dict(labels)} if labels else {}),
    }
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": {"groups": [as_mapping(group) for group in groups]},
    }
    return dump(resource, PurePath(source).name)
