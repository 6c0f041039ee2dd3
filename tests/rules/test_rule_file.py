from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR
from bw_rules.groups import build
from bw_rules.render import operator, prometheus
from bw_rules.toolkit.promql import Recording
from bw_rules.verify import tools, validate
from reference import rules_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

WILD = """
defaults:
  labels: {site: main}
  detectors:
    charge_failure_spike: {sensitivity: fixed, multiplier: 2.5, window: 30m, severity: warning}
    revenue_drop: {sensitivity: fixed, compare: weekday, baseline: 14d}
tenants:
  plain: {webhook_secret: whsec_a}
  other: {webhook_secret: whsec_a, labels: {team: x}, detectors: {silent_lapse: {enabled: false}}}
  weighed: {webhook_secret: whsec_a, past: 2w, detectors: {charge_failure_spike: {sensitivity: high},
    revenue_drop: {sensitivity: low}}}
  lag: {webhook_secret: whsec_a, detectors: {webhook_lag: {max_lag: 60s, window: 1h, for: 10m}}}
  lag-2: {webhook_secret: whsec_a, detectors: {webhook_lag: {max_lag: 60s, window: 1h, for: 10m}}}
"""


def rules(text: str) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load(text)
    for group in document.get("spec", document)["groups"]:
        yield from group["rules"]


def rendered(tenants: Tenants) -> str:
    return prometheus.render(build.groups(tenants, build.Settings()), tenants.source)


@pytest.fixture
def wild(config: Callable[[str], Tenants]) -> Tenants:
    return config(WILD)


def test_promtool_has_nothing_to_say(wild: Tenants, promtool: str, tmp_path: Path):
    file = tmp_path / "rules.yml"
    file.write_text(rendered(wild))
    code, said = tools.run(promtool, "check", "rules", "--lint-fatal", str(file))
    assert code == 0, said


def test_every_expression_is_promql(wild: Tenants):
    for rule in rules(rendered(wild)):
        promql_parser.parse(rule["expr"])


def test_every_metric_that_is_read_is_in_the_catalogue_or_recorded_before(wild: Tenants, tmp_path: Path):
    file = tmp_path / "rules.yml"
    file.write_text(rendered(wild))
    problems, _ = validate.check(str(file))
    assert problems == []


def test_a_rule_reads_its_own_group_or_what_changes_slowly_and_is_bridged(wild: Tenants):
    groups = build.groups(wild, build.Settings())
    recorded: dict[str, set[str]] = {}
    for group in groups:
        names = {rule.name for rule in group.rules if isinstance(rule, Recording)}
        recorded.setdefault(build.detector_of(group.name), set()).update(names)
    for group in groups:
        known: set[str] = set()
        for rule in group.rules:
            for name, bridged in re.findall(
                r"\b((?:tenant|billing):[\w:]+)(?:\{[^}]*\})?(\[16m\])?", rule.expr
            ):
                assert name in recorded[build.detector_of(group.name)]
                assert name in known or bridged or group.interval > 60
            known.add(rule.name)


def test_every_metric_is_exported_for_each_tenant_from_the_start():
    for family in catalog.FAMILIES:
        assert all(label.initial for label in family.labels) or not (family.stored and family.per_tenant)


def test_the_same_tenants_give_the_same_bytes(wild: Tenants):
    assert rendered(wild) == rendered(wild)
    assert rendered(wild).startswith("# Made by bw-rules from tenants.yaml; do not edit")


def test_every_alert_says_what_it_is_how_bad_and_where_to_read_on(wild: Tenants):
    for rule in rules(rendered(wild)):
        if "alert" not in rule:
            continue
        assert {"severity", "detector", "threshold_profile"} <= set(rule["labels"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert {"summary", "description", "runbook_url", "dashboard_url"} <= set(rule["annotations"])
        assert "{{" not in rule["annotations"]["summary"]
        assert not any("{{" in value for value in rule["labels"].values())
        assert rule["annotations"]["runbook_url"] == f"{build.RUNBOOK_BASE}/{rule['alert']}.md"


def test_every_runbook_that_an_alert_links_to_exists(wild: Tenants):
    for rule in rules(rendered(wild)):
        if "alert" in rule:
            assert (rules_files.ROOT / "docs" / "runbooks" / f"{rule['alert']}.md").exists()


def test_every_label_in_an_annotation_survives_the_expression(wild: Tenants):
    recorded = {rule["record"]: rule["expr"] for rule in rules(rendered(wild)) if "record" in rule}
    for rule in rules(rendered(wild)):
        used = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))))
        kept = labels_of(promql_parser.parse(rule["expr"]), recorded) if used else set()
        assert used <= kept, rule["alert"]


def labels_of(expr: Any, recorded: dict[str, str]) -> set[str]:  # noqa: PLR0911 - one for each kind
    """Labels that a result surely has: those of the left side, or of the aggregation."""
    kind = type(expr).__name__
    if kind == "ParenExpr":
        return labels_of(expr.expr, recorded)
    if kind == "AggregateExpr":
        return set(expr.modifier.labels) if expr.modifier else set()
    if kind == "BinaryExpr":
        left, right = labels_of(expr.lhs, recorded), labels_of(expr.rhs, recorded)
        if str(expr.op) == "or":
            return left & right
        return right if type(expr.lhs).__name__ in ("NumberLiteral", "Call") and right else left
    if kind == "Call":
        return set().union(*(labels_of(one, recorded) for one in expr.args))
    if kind == "MatrixSelector":
        return labels_of(expr.vector_selector, recorded)
    if kind == "VectorSelector":
        if expr.name in recorded:
            return labels_of(promql_parser.parse(recorded[expr.name]), recorded)
        if expr.name.startswith("prometheus_"):
            return {"rule_group", "instance"}
        family = next((one for one in catalog.FAMILIES if expr.name in one.sample_names), None)
        return {"job", "instance", *(family.label_names if family else ())}
    return set()


def test_a_new_tenant_is_watched_without_rendering_again(wild: Tenants):
    watched = {
        rule["alert"]
        for rule in rules(rendered(wild))
        if "alert" in rule and rule["labels"]["threshold_profile"] == "default"
    }
    assert {one.alert for name, one in DETECTORS.items() if name not in OFF_UNTIL_ASKED_FOR} <= watched


def test_each_tenant_is_covered_by_exactly_one_rule_of_each_detector(wild: Tenants):
    found = list(rules(rendered(wild)))
    for name, detector in DETECTORS.items():
        for tenant in wild.all:
            covering = [
                rule
                for rule in found
                if rule.get("alert") == detector.alert and covers(rule["expr"], tenant.id)
            ]
            assert len(covering) == (1 if tenant.detectors[name].enabled else 0)


def covers(expr: str, tenant: str) -> bool:
    found = re.search(r'tenant(!~|=~|!=|=)"([^"]*)"', expr)
    if found is None:
        return True
    within = bool(re.fullmatch(found[2], tenant))
    return within != found[1].startswith("!")


def test_severity_durations_and_labels_of_a_tenant_are_on_its_own_rule(wild: Tenants):
    found = [rule for rule in rules(rendered(wild)) if rule.get("alert") == "BillingWebhookLag"]
    by_tenants = {re.search(r'\{tenant(\S+")', rule["expr"])[1]: rule for rule in found}
    assert by_tenants['=~"lag|lag-2"']["for"] == "10m"
    assert by_tenants['="other"']["labels"]["team"] == "x"
    assert all(rule["labels"]["site"] == "main" for rule in found)


def test_severity_and_durations_are_as_documented_where_nobody_says_otherwise(
    config: Callable[[str], Tenants],
):
    found = {
        rule["labels"]["detector"]: (
            rule["labels"]["severity"],
            rule.get("for"),
            rule.get("keep_firing_for"),
        )
        for rule in rules(rendered(config("tenants: {a: {webhook_secret: whsec_a}}")))
        if "alert" in rule and rule["labels"]["detector"] != "watchdog"
    }
    assert set(found) == set(DETECTORS) - OFF_UNTIL_ASKED_FOR
    assert (
        found.items()
        >= {
            "charge_failure_spike": ("critical", None, "15m"),
            "duplicate_charge": ("critical", None, None),
            "fraud_spike": ("critical", None, "1h"),
            "revenue_drop": ("critical", "15m", "1h"),
            "silent_lapse": ("warning", None, None),
            "webhook_lag": ("warning", None, "1h"),
            "invoice_mismatch": ("warning", None, None),
        }.items()
    )


def test_a_profile_keeps_its_name_when_another_tenant_joins_it(config: Callable[[str], Tenants]):
    def names(text: str) -> set[str]:
        return set(re.findall("override-[0-9a-f]+", rendered(config(text))))

    assert names(WILD) == names(WILD + WILD.splitlines()[-1].replace("lag-2", "lag-3") + "\n")


def test_a_profile_keeps_its_name_however_a_number_is_written(config: Callable[[str], Tenants]):
    def text(multiplier: str) -> str:
        fraud = f"fraud_spike: {{multiplier: {multiplier}}}"
        return rendered(config(f"tenants: {{a: {{webhook_secret: whsec_a, detectors: {{{fraud}}}}}}}"))

    assert text("2.50") == text("2.5") != text("2.05")
    assert text("10.0") == text("10") == text("10.000")


def test_thresholds_are_compared_as_whole_numbers(wild: Tenants):
    for rule in rules(rendered(wild)):
        if "alert" in rule:
            assert not re.search(r"\d\.\d(?!\")", rule["expr"]), rule["alert"]


def test_the_level_at_which_it_fires_is_recorded_for_every_detector_and_profile(wild: Tenants):
    levels = {
        (rule["labels"]["threshold_profile"], rule["record"].split(":")[1])
        for rule in rules(rendered(wild))
        if "record" in rule and ":threshold" in rule["record"]
    }
    fired = {
        (rule["labels"]["threshold_profile"], rule["alert"])
        for rule in rules(rendered(wild))
        if "alert" in rule and rule["labels"]["detector"] != "watchdog"
    }
    assert len(levels) == len(fired)


def test_no_metric_is_read_without_the_job(wild: Tenants):
    for rule in rules(rendered(wild)):
        for selector in re.findall(r"\b(billing\w+|up)\{([^}]*)\}", rule["expr"]):
            assert 'job="billing-exporter"' in selector[1]


def test_the_operators_resource_holds_the_same_groups(wild: Tenants):
    text = operator.render(
        build.groups(wild, build.Settings()), "t.yaml", "billing", "mon", {"release": "kps"}
    )
    resource = yaml.safe_load(text)
    assert resource["kind"] == "PrometheusRule"
    assert resource["metadata"] == {"name": "billing", "namespace": "mon", "labels": {"release": "kps"}}
    assert list(rules(text)) == list(rules(rendered(wild)))


def test_ten_thousand_tenants_are_a_small_file(config: Callable[[str], Tenants]):
    tenants = config(
        "tenants:\n"
        + "".join(
            f"  tenant-{n}: {{webhook_secret: whsec_a"
            + (f", detectors: {{charge_failure_spike: {{min_failures: {n % 20 + 6}}}}}" if n < 500 else "")
            + "}\n"
            for n in range(10_000)
        )
    )
    assert len(rendered(tenants)) < 30_000 * len(DETECTORS), "300 KB for the first ten detectors"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("billing_charge_attempts_total", "billing_charge_tries_total"), "no metric is called billing_charge_tries"),
        (("clamp_min(", "clamp_min(("), "is no PromQL"),
        (("groups:", "gruppen:"), "has no `groups:`"),
    ],
)  # fmt: skip
def test_check_says_what_is_wrong_and_where(
    wild: Tenants, tmp_path: Path, change: tuple[str, str], complaint: str
):
    file = tmp_path / "rules.yml"
    file.write_text(rendered(wild).replace(*change))
    problems, _ = validate.check(str(file))
    assert any(complaint in line and str(file) in line for line in problems)
