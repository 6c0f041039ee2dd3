"""Whether a rule file is good: it parses, reads metrics that exist, and promtool has nothing to say."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from bw_exporter.config.reading import yaml_strict
from bw_exporter.errors import ConfigError
from bw_exporter.metrics import catalog
from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELSEWHERE = re.compile(r"up|prometheus_\w+|ALERTS(?:_FOR_STATE)?")
"""Metrics that Prometheus itself makes."""

EXPORTED = frozenset(name for family in catalog.FAMILIES for name in family.sample_names)


def check(path: str) -> tuple[list[str], list[str]]:
    """Return (what is wrong with the rule file, remarks), each line naming the rule."""
    try:
        document = yaml_strict.load(path).value
    except ConfigError as error:
        return str(error).splitlines(), []
    groups = _groups(document)
    if groups is None:
        return [f"{path}: file: has no `groups:` with rules; give a rendered rule file"], []
    problems, remarks = [], []
    recorded = {str(rule["record"]) for _, rule in _rules(groups) if "record" in rule}
    for where, rule in _rules(groups):
        try:
            read = _read_by(str(rule.get("expr", "")))
        except ValueError as error:
            problems.append(f"{path}: {where}: is no PromQL: {error}")
            continue
        problems.extend(
            f"{path}: {where}: no metric is called {name}; render the file again"
            for name in sorted(read - recorded - EXPORTED)
            if not _ELSEWHERE.fullmatch(name)
        )
    promtool = tools.find("promtool")
    if promtool is None:
        remarks.append("promtool is not on PATH: its own checks were left out")
    else:
        problems += [f"{path}: promtool: {line}" for line in _checked(promtool, path, document, groups)]
    return problems, remarks


def _checked(promtool: str, path: str, document: object, groups: list[dict[str, Any]]) -> list[str]:
    """Return what promtool has to say; of a PrometheusRule or a Mimir namespace, about its groups as a rule file."""
    if isinstance(document, dict) and set(document) == {"groups"}:
        code, said = tools.run(promtool, "check", "rules", "--lint-fatal", path)
        return _lines(said) if code else []
    # Groups split for Mimir record the same names, each of tenants of its own, which promtool takes for duplicates.
    mimir = isinstance(document, dict) and "namespace" in document
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        file = Path(folder) / "rules.yml"
        file.write_text(dump({"groups": groups}, PurePath(path).name), encoding="utf-8")
        lint = "--lint=none" if mimir else "--lint-fatal"
        code, said = tools.run(promtool, "check", "rules", lint, str(file))
    return _lines(said.replace(str(file), "its groups")) if code else []


def _lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.strip()]


def _read_by(expr: str) -> set[str]:
    """Return the metrics that an expression reads; raises ValueError for what is no PromQL."""
    from promql_parser import VectorSelector, parse, walk  # noqa: PLC0415 - no other command needs it

    names: set[str] = set()

    def visit(node: object) -> None:
        if isinstance(node, VectorSelector):
            names.add(str(node.name))

    walk(parse(expr), visit)
    return names


def _groups(document: object) -> list[dict[str, Any]] | None:
    """Return the groups of a rule file, a PrometheusRule or a Mimir namespace."""
    found = document.get("spec", document) if isinstance(document, dict) else None
    groups = found.get("groups") if isinstance(found, dict) else None
    good = isinstance(groups, list) and all(
        isinstance(g, dict) and isinstance(g.get("rules"), list) for g in groups
    )
    return groups if good else None


def _rules(groups: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in groups:
        for rule in group["rules"]:
            profile = rule.get("labels", {}).get("threshold_profile", "")
            name = rule.get("alert") or rule.get("record")
            yield f"{group.get('name')}.{name}{f'[{profile}]' if profile else ''}", rule
