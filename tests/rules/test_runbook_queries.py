"""What runbooks have people paste: queries that Prometheus takes, of series that exist, with the right answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from bw_exporter.metrics import catalog
from bw_rules.groups import runbooks
from bw_rules.render.yaml_text import dump
from bw_rules.toolkit.rise import ONE_TENANT
from bw_rules.verify import tools

PAGES = runbooks.pages()
QUERIES = [
    (page, re.sub(r"(?m)^   ", "", query))
    for page, text in PAGES.items()
    for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
]
EXPORTED = {name for family in catalog.FAMILIES for name in family.sample_names}
LABELS = {"tenant", *(label for family in catalog.FAMILIES for label in family.label_names)}
NOW_MINUTES = 3 * 24 * 60


def selectors(query: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(
        promql_parser.parse(query),
        lambda node: found.append(node) if isinstance(node, promql_parser.VectorSelector) else None,
    )
    return found


@pytest.mark.parametrize("page", PAGES)
def test_no_runbook_asks_for_an_extrapolated_count_or_adds_replicas_up(page: str):
    for query in re.findall(r"```promql\n(.*?)```|`([^`\n]*\{[^`\n]*)`", PAGES[page], re.DOTALL):
        assert "increase(" not in "".join(query)
        assert "sum by" not in "".join(query)


@pytest.mark.parametrize("alert", [
    "BillingChargeFailureSpike", "BillingFraudSpike", "BillingRevenueDrop", "BillingSilentLapse", "BillingWebhookLag",
    "BillingWebhookRefused",
])  # fmt: skip
def test_a_runbook_about_counts_has_a_query_to_paste_and_says_how(alert: str):
    assert "```promql" in PAGES[f"{alert}.md"]
    assert "in place of `…`" in PAGES[f"{alert}.md"]


@pytest.mark.parametrize(("page", "query"), QUERIES, ids=range(len(QUERIES)))
def test_a_query_of_a_runbook_parses_and_names_exported_series_and_their_labels(page: str, query: str):
    found = selectors(query)
    assert {each.name for each in found} <= EXPORTED, page
    for by in re.findall(r"by \(([\w, ]+)\)", query):
        assert set(by.split(", ")) <= LABELS
    assert all(any(matcher.name == "tenant" for matcher in each.matchers.matchers) for each in found)


def expected(query: str) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Return series of two replicas, and what the query has to answer.

    One value of the label has been counted for days and rises by 1; another comes up for the first time and rises to
    5. One of the replicas is scraped later, and one was away for a day.
    """
    name = re.search(r"max by \([\w, ]+\) \((\w+)", query)
    assert name
    (family,) = [family for family in catalog.FAMILIES if family.name == name[1]]
    tenant = "" if 'tenant=""' in query else "shop"
    old, new = (*family.labels[0].values, "one", "another")[:2] if family.labels else ("", "")
    label = family.label_names[1] if family.labels else ""
    minutes = NOW_MINUTES
    series, answers = [], []
    for replica in ("a", "b"):
        gap = "_x1440 " if replica == "b" else ""
        known = minutes - 10 - (1440 if gap else 0)
        who = f'instance="{replica}",job="billing-exporter",tenant="{tenant}"'
        also = f',{label}="{old}"' if label else ""
        series.append({"series": f"{family.name}{{{who}{also}}}", "values": f"{gap}100x{known} 101x30"})
        if label and tenant:
            late = 5 if replica == "a" else 6
            series.append(
                {
                    "series": f'{family.name}{{{who},{label}="{new}"}}',
                    "values": f"_x{minutes - late} 3x1 5x30",
                }
            )
        if tenant:
            series.append(
                {
                    "series": f"billing_tenant_created_timestamp_seconds{{{who}}}",
                    "values": f"{gap}1x{minutes + 30}",
                }
            )
    own = f'tenant="{tenant}"' if tenant else ""
    both = [part for part in (f'{label}="{old}"' if label else "", own) if part]
    answers.append({"labels": "{" + ",".join(both) + "}", "value": 1})
    if label and tenant:
        answers.append({"labels": f'{{{label}="{new}",{own}}}', "value": 5})
    return series, answers


def test_with_two_replicas_a_value_that_comes_up_for_the_first_time_is_counted_once_and_whole(tmp_path: Path):
    promtool = tools.find("promtool")
    if promtool is None:
        pytest.skip("promtool is neither on PATH nor in .tools/bin; `make tools` fetches it")
    tests = []
    for page, query in QUERIES:
        series, answers = expected(query)
        expr = query.replace(ONE_TENANT, 'tenant="shop"')
        tests.append(
            {
                "name": page,
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [{"expr": expr, "eval_time": f"{NOW_MINUTES}m", "exp_samples": answers}],
            }
        )
    (tmp_path / "test.yml").write_text(dump({"evaluation_interval": "1m", "tests": tests}, "test"))
    code, said = tools.run(promtool, "test", "rules", "test.yml", folder=tmp_path)
    assert code == 0, said
