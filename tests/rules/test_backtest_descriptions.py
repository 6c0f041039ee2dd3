"""Descriptions of alerts of the past are expanded as Prometheus expands them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from bw_rules.backtest.template import Sample, UnknownTemplateError, expand, queries
from bw_rules.groups import build
from bw_rules.groups.rule import Alert
from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools

if TYPE_CHECKING:
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

ANSWERS = {  # Prometheus says in which order series come only where they are sorted
    "sort_desc(a)": [
        Sample({"tenant": "t", "reason": "x"}, 12.0),
        Sample({"tenant": "t", "reason": "y"}, 0.25),
    ],
    "none": [],
}
TEMPLATES = (
    '{{ $labels.tenant }} has {{ $value | printf "%.0f" }} of {{ $labels.missing }}.',
    '{{ with query "sort_desc(a)" }}{{ . | first | value | humanize }} {{ (first .).Labels.reason }}{{ end }}',
    '{{ range query "sort_desc(a)" }} {{ .Labels.reason }}={{ .Value | printf "%.2f" }}{{ end }}',
    '{{ with query "none" }}some{{ else }}none{{ end }}',
    '{{ with printf "%s(a)" "sort_desc" | query }}{{ $found := (first .).Labels.reason }}{{ $found }}{{ end }}',
    '{{ $form := "%.2f" }}{{ range query "sort_desc(a)" }}{{ if eq (value .) 12.0 }}{{ $form = "%.1f" }}{{ else if eq '
    '(value .) 0.25 }}{{ $form = "%.3f" }}{{ else }}{{ $form = "%.4f" }}{{ end }}{{ end }}{{ $value | printf $form }}',
    "{{ if $labels.tenant }}yes{{ else }}no{{ end }}{{ if $labels.missing }}yes{{ else }}no{{ end }}",
    '{{ query "sort_desc(a)" | first | label "reason" }}',
    *(
        f"{{{{ {value} | {function} }}}}"
        for value in (
            "0.0",
            "0.0123",
            "0.5",
            "1.0",
            "59.5",
            "61.0",
            "5400.0",
            "90061.0",
            "1234567.0",
            "0.000004",
        )
        for function in ("humanize", "humanizeDuration", "humanizePercentage", 'printf "%.1f"')
    ),
    "{{ 1700006400.0 | humanizeTimestamp }}",
)


def answered(query: str) -> Sequence[Sample]:
    return ANSWERS[query]


def test_a_description_reads_as_prometheus_writes_it(promtool: str, tmp_path: Path) -> None:
    rules = [
        {
            "alert": f"A{place}",
            "expr": 'vector(7) * on () group_left (tenant) label_replace(vector(1), "tenant", "prod", "", "")',
            "annotations": {"text": text},
        }
        for place, text in enumerate(TEMPLATES)
    ]
    expected = [
        {
            "alertname": f"A{place}",
            "eval_time": "0m",
            "exp_alerts": [
                {
                    "exp_labels": {"tenant": "prod"},
                    "exp_annotations": {"text": expand(text, {"tenant": "prod"}, 7.0, answered)},
                }
            ],
        }
        for place, text in enumerate(TEMPLATES)
    ]
    series = [
        {"series": f'a{{tenant="t",reason="{one.labels["reason"]}"}}', "values": str(one.value)}
        for one in ANSWERS["sort_desc(a)"]
    ]
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": expected}],
    }
    (tmp_path / "rules.yml").write_text(dump({"groups": [{"name": "a", "rules": rules}]}, "test"))
    (tmp_path / "test.yml").write_text(dump(document, "test"))
    status, said = tools.run(promtool, "test", "rules", "test.yml", folder=tmp_path)
    assert status == 0, said


@pytest.mark.parametrize("sensitivity", ["normal", "fixed"])
def test_every_description_of_ours_can_be_expanded(
    config: Callable[[str], Tenants], sensitivity: str
) -> None:
    found = config(
        f"defaults: {{detectors: {{fraud_spike: {{sensitivity: {sensitivity}}}, revenue_drop: {{sensitivity: "
        f"{sensitivity}}}, charge_failure_spike: {{sensitivity: {sensitivity}}}}}}}\n"
        "tenants: {t: {webhook_secret: whsec_a}}"
    )
    sample = Sample({"tenant": "t", "window": "1h", "reason": "x", "currency": "usd"}, 2.0)
    for group in build.groups(found, build.Settings()):
        for rule in (rule for rule in group.rules if isinstance(rule, Alert)):
            text = dict(rule.annotations)["description"]
            queries(text)
            for answer in ([sample], []):

                def ask(_: str, answer: Any = answer) -> Sequence[Sample]:
                    return list(answer)

                assert "{{" not in expand(text, {"tenant": "t", "currency": "usd"}, 3.0, ask)


@pytest.mark.parametrize(
    "text",
    [
        "{{ $labels.tenant | toUpper }}",
        "{{ end }}",
        "{{ if $value }}",
        "{{ $none }}",
        "{{ }}",
        "{{ 1 2 }}",
        "{{ `a` }}",
    ],
)
def test_a_template_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(UnknownTemplateError):
        expand(text, {"tenant": "t"}, 1.0, answered)
