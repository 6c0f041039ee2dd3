"""Thresholds to try: the tenants as their file has them, and as they would be with a key set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.config import in_force, tenants
from bw_exporter.config.problems import nearest
from bw_exporter.config.reading import yaml_strict
from bw_exporter.errors import BillingWatchError, ConfigError
from bw_rules.detectors import DETECTORS, THRESHOLDS

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants

AS_IT_IS = "as it is"
_DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_MAPPING = "tag:yaml.org,2002:map"
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a detector and the text of its value."""

    detector: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Variant:
    """Tenants with their thresholds, and what is told apart by: `as it is`, or what was set."""

    name: str
    tenants: Tenants


def read_set(text: str) -> tuple[Change, ...]:
    """Read `DETECTOR.KEY=VALUE`, or several of them with commas, which are tried together; raises ValueError.

    >>> read_set("fraud_spike.min_disputes=5")
    (Change(detector='fraud_spike', key='min_disputes', value='5'),)
    """
    return tuple(_change(part.strip()) for part in text.split(","))


def variant(source: str, changes: tuple[Change, ...]) -> Variant:
    """Return the tenants of a file with keys set, in place of what the defaults and every tenant have there.

    Raises BillingWatchError with what is wrong with a value.
    """
    name = ", ".join(f"{one.detector}.{one.key}={one.value}" for one in changes)
    root = _root(source)
    for one in changes:
        value = _value(one)
        path = ("detectors", one.detector, one.key)
        _put(root, ("defaults", *path), value, make=True)
        everyone = _find(root, "tenants")
        if isinstance(everyone, yaml.MappingNode):
            for _, entry in everyone.value:
                if isinstance(entry, yaml.MappingNode):
                    _put(entry, path, value, make=False)
    return Variant(name, _loaded(name, root))


def for_tenants(source: str, name: str, changes: Mapping[str, Iterable[Change]]) -> Variant:
    """Return the tenants of a file with keys set for some of them alone; raises BillingWatchError."""
    root = _root(source)
    for tenant, some in changes.items():
        for one in some:
            path = ("tenants", tenant, "detectors", one.detector, one.key)
            _put(root, path, _value(one), make=True)
    return Variant(name, _loaded(name, root))


def _root(source: str) -> yaml.MappingNode:
    root = yaml_strict.load(source).root
    assert isinstance(root, yaml.MappingNode)
    return root


def _loaded(name: str, root: yaml.MappingNode) -> Tenants:
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        file = Path(folder) / "tenants.yaml"
        file.write_text(yaml.serialize(root, Dumper=_DUMPER, allow_unicode=True), encoding="utf-8")
        try:
            found = tenants.load(str(file), detectors=THRESHOLDS, read_secrets=False)
        except ConfigError as error:
            raise BillingWatchError(_said(name, error.problems)) from error
    if found.unread:
        raise BillingWatchError(_said(name, found.unread))
    return found


def _change(text: str) -> Change:
    path, equals, value = text.partition("=")
    detector, dot, key = path.partition(".")
    if not (equals and dot and key and value.strip()):
        raise ValueError(f"{text!r}: write it as DETECTOR.KEY=VALUE, as in fraud_spike.min_disputes=5")
    if detector not in DETECTORS:
        ways = nearest(detector, DETECTORS, f"use {', '.join(DETECTORS)}")
        raise ValueError(f"there is no detector {detector}; {ways}")
    keys = in_force.keys(THRESHOLDS[detector]())
    if key not in keys:
        raise ValueError(f"{detector} has no key {key}; {nearest(key, keys, f'it has {chr(44).join(keys)}')}")
    return Change(detector, key, value.strip())


def _value(change: Change) -> yaml.Node:
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        file = Path(folder) / "value.yaml"
        file.write_text(f"value: {change.value}\n", encoding="utf-8")
        try:
            document = yaml_strict.load(str(file)).root
        except ConfigError as error:
            raise BillingWatchError(
                _said(f"{change.detector}.{change.key}={change.value}", error.problems)
            ) from error
    assert isinstance(document, yaml.MappingNode)
    value: yaml.Node = document.value[0][1]
    return value


def _put(node: yaml.MappingNode, path: tuple[str, ...], value: yaml.Node, *, make: bool) -> None:
    """Set what lies at a path; what is not there is added with `make` only.

    What is on the way is copied, as an alias of it elsewhere in the file keeps what it has.
    """
    key, *further = path
    found = _find(node, key)
    if found is None and not make:
        return
    if further:
        if not isinstance(found, yaml.MappingNode):
            if not make:
                return
            found = yaml.MappingNode(_MAPPING, [])
        found = yaml.MappingNode(_MAPPING, list(found.value))
        _put(found, tuple(further), value, make=make)
        value = found
    node.value = [pair for pair in node.value if pair[0].value != key]
    node.value.append((yaml.ScalarNode(_TEXT, key), value))


def _find(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _said(name: str, problems: tuple[Any, ...]) -> str:
    messages = dict.fromkeys(problem.message.partition(" (line ")[0] for problem in problems)
    return f"--set {name}: {'; '.join(messages)}"
