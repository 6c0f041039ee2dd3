"""A detector may be off until a tenants.yaml asks for it; whoever sets its keys without asking is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bw_exporter.config import tenants
from bw_rules.toolkit.spike import SpikeThresholds
from bw_rules.toolkit.thresholds import Enabled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Asked(SpikeThresholds):
    enabled: Enabled = False
    min_things: int = 20


class On(SpikeThresholds):
    min_things: int = 20


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str, str], tuple[Any, list[str]]]:
    """Load a file with these detectors in `defaults` and in its tenant; return the tenant's, and what is told."""

    def load(defaults: str, tenant: str) -> tuple[Any, list[str]]:
        file = tmp_path / "tenants.yaml"
        file.write_text(
            f"defaults: {{detectors: {{{defaults}}}}}\n"
            f"tenants: {{a: {{webhook_secret: whsec_a, detectors: {{{tenant}}}}}}}\n"
        )
        found = tenants.load(str(file), detectors={"asked": Asked, "always": On}, read_secrets=False)
        return found.all[0].detectors, [str(problem) for problem in found.unread]

    return load


@pytest.mark.parametrize(
    ("defaults", "tenant", "on"),
    [
        ("", "", False),
        ("", "asked: {enabled: true}", True),
        ("asked: {enabled: true}", "", True),
        ("asked: {enabled: true}", "asked: {enabled: false}", False),
        ("asked: {min_things: 7}", "asked: {enabled: true}", True),
    ],
)
def test_it_is_on_where_the_tenant_or_the_defaults_ask(
    loaded: Callable[..., Any], defaults: str, tenant: str, on: bool
):
    found, said = loaded(defaults, tenant)
    assert found["asked"].enabled is on
    assert said == []


@pytest.mark.parametrize(
    ("defaults", "tenant", "where"),
    [
        ("", "asked: {min_things: 7, for: 5m}", "tenants.a.detectors.asked"),
        ("asked: {min_things: 7, for: 5m}", "", "defaults.detectors.asked"),
    ],
)
def test_keys_that_are_given_without_asking_are_told_with_what_to_write(
    loaded: Callable[..., Any], defaults: str, tenant: str, where: str
):
    (line,) = loaded(defaults, tenant)[1]
    assert where in line
    assert "min_things, for: have no effect" in line
    assert "write {enabled: true, min_things: 7, for: 5m}" in line


def test_keys_beside_an_enabled_false_are_kept_in_silence(loaded: Callable[..., Any]):
    assert loaded("", "asked: {enabled: false, min_things: 7}, always: {enabled: false}")[1] == []


def test_keys_that_only_fixed_reads_are_told_of_once_it_is_asked_for(loaded: Callable[..., Any]):
    (line,) = loaded("", "asked: {enabled: true, multiplier: 3}")[1]
    assert "write {sensitivity: fixed, multiplier: 3}" in line
