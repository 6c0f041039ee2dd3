"""Rules can be written for old tenants alone: shorter, and with the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import promql_parser

from bw_rules.groups import build
from bw_rules.toolkit.promql import Counter, Scope, for_tenants_older_than

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.tenants import Tenants

YEAR = 365 * 86_400


def test_a_difference_of_old_tenants_says_nothing_of_young_ones() -> None:
    expr = Counter("x", "").delta(Scope('a"(b'), 3600).expr
    assert for_tenants_older_than(expr, 3599) == expr
    assert "".join(for_tenants_older_than(expr, 3600).split()) == (
        "clamp_min(last_over_time(tenant:x:max[5m])-on(tenant)(last_over_time(tenant:x:max[1h]offset1h)),0)"
    )


def test_every_rule_is_promql_without_young_tenants(config: Callable[[str], Tenants]) -> None:
    groups = build.groups(config("tenants: {t: {webhook_secret: whsec_a}}"), build.Settings())
    before = [rule.expr for group in groups for rule in group.rules]
    after = [for_tenants_older_than(expr, YEAR) for expr in before]
    for expr in after:
        promql_parser.parse(expr)
    assert sum(map(len, after)) < 0.8 * sum(map(len, before))
    assert before == [for_tenants_older_than(expr, 0) for expr in before]
