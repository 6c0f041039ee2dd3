"""A PrometheusRule for the Prometheus operator."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from bw_exporter.errors import BillingWatchError
from bw_rules.groups.rule import as_mapping
from bw_rules.render.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bw_rules.groups.rule import Group


_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$){_DNS_LABEL.pattern}(\.{_DNS_LABEL.pattern})*")
_LABEL_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_WITHIN = "use letters, digits, and `-`, `_` and `.` within, at most 63"


def render(
    groups: Sequence[Group], source: str, name: str, namespace: str | None, labels: Mapping[str, str]
) -> str:
    """Return the resource's text; `labels` are those that the operator's ruleSelector asks for.

    Raises BillingWatchError, a line for each, for what Kubernetes would refuse of the names and labels.
    """
    if refused := [*_refused(name, namespace, labels)]:
        raise BillingWatchError("\n".join(refused))
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


def _refused(name: str, namespace: str | None, labels: Mapping[str, str]) -> Iterator[str]:
    if not _DNS_NAME.fullmatch(name):
        yield f"--name: {name!r} is no name to Kubernetes; use a-z, 0-9, `-` and `.` within, at most 253"
    if namespace is not None and not _DNS_LABEL.fullmatch(namespace):
        yield f"--namespace: {namespace!r} is no namespace to Kubernetes; use a-z, 0-9 and `-` within, at most 63"
    for key, value in labels.items():
        prefix, slash, last = key.rpartition("/")
        if not _LABEL_PART.fullmatch(last) or (slash and not _DNS_NAME.fullmatch(prefix)):
            yield f"--label: {key!r} is no label to Kubernetes; {_WITHIN}"
        if value and not _LABEL_PART.fullmatch(value):
            yield f"--label: {key}'s value is none to Kubernetes; {_WITHIN}"
