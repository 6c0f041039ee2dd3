"""The queries of docs/mrr.md, asked of promtool about two replicas of a shop whose month is known."""

from __future__ import annotations

import re
from pathlib import Path

from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools

PAGE = Path(__file__).parents[2] / "docs" / "mrr.md"
QUERIES = dict(re.findall(r"\*\*([\w ]+)\*\*[^\n]*:\n\n```promql\n(.*?)```", PAGE.read_text(), re.DOTALL))
DAY = 24
NOW = 31 * DAY

BEFORE = {"new": 500_000, "expansion": 20_000, "churn": 60_000, "opening": 540_000}
"""What had moved a month ago, in minor units: MRR was 10,000.00."""
SINCE = {"new": 90_000, "expansion": 30_000, "contraction": 10_000, "churn": 50_000, "opening": 40_000}
"""What moved since; a contraction came for the first time."""
LOSSES = ("contraction", "churn")
ANSWERS = {
    "MRR": 11_000,
    "ARR": 132_000,
    "ARPU": 110,
    "Net new MRR": 600,
    "Quick ratio": 2,
    "Gross MRR churn": 6,
    "Net MRR churn": 3,
    "Churned subscriptions": 4,
}


def total(movements: dict[str, int]) -> int:
    return sum(-amount if kind in LOSSES else amount for kind, amount in movements.items())


def series() -> list[dict[str, str]]:
    """Two replicas, a sample an hour for 31 days; the month's movements come on its tenth day."""
    assert total(BEFORE) == 1_000_000
    then = total(BEFORE)
    told = []
    for replica in ("a", "b"):
        who = f'instance="{replica}",job="billing-exporter"'
        of = f'{who},tenant="shop",currency="usd"'

        def add(name: str, labels: str, before: int | None, now: int) -> None:
            early = f"_x{10 * DAY}" if before is None else f"{before}x{10 * DAY - 1}"
            told.append({"series": f"{name}{{{labels}}}", "values": f"{early} {now}x{21 * DAY}"})

        add("billing_mrr_minor_units", of, then, then + total(SINCE))
        add("billing_currency_minor_units", f'{who},currency="usd"', 100, 100)
        add("billing_mrr_movements_total", f'{of},movement="churn"', 7, 11)
        for status, number in (("active", 96), ("past_due", 4), ("canceled", 50)):
            add("billing_subscriptions", f'{who},tenant="shop",status="{status}"', number, number)
        for kind in sorted({*BEFORE, *SINCE}):
            start = BEFORE.get(kind)
            labels = f'{of},movement="{kind}"'
            add("billing_mrr_movement_minor_units_total", labels, start, (start or 0) + SINCE.get(kind, 0))
    return told


def test_every_query_of_the_page_gives_what_the_month_was(promtool: str, tmp_path: Path) -> None:
    assert QUERIES.keys() == ANSWERS.keys()
    asked = [
        {
            "expr": query,
            "eval_time": f"{NOW}h",
            "exp_samples": [{"labels": '{currency="usd",tenant="shop"}', "value": ANSWERS[name]}],
        }
        for name, query in QUERIES.items()
    ]
    test = {"interval": "1h", "input_series": series(), "promql_expr_test": asked}
    document = {"evaluation_interval": "1h", "tests": [test]}
    (tmp_path / "test.yml").write_text(dump(document, "test"))
    status, said = tools.run(promtool, "test", "rules", "test.yml", folder=tmp_path)
    assert status == 0, said
