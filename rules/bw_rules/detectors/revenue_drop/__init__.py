"""A currency brings in much less than it usually does."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop import evidence, fixed
from bw_rules.detectors.revenue_drop.counters import REVENUE
from bw_rules.toolkit.detector import Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import DAY
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import (
    DurationBetween,
    For,
    KeepFiringFor,
    NumberBetween,
    Severity,
    Weighed,
    WholeBetween,
    problem,
)

__all__ = ["DETECTOR", "REVENUE", "Thresholds"]


class Thresholds(Weighed):
    """When revenue has dropped."""

    only_fixed: ClassVar[frozenset[str]] = frozenset({"window", "baseline", "compare"})

    severity: Severity = "critical"
    for_: For = 900
    keep_firing_for: KeepFiringFor = 3600
    drop_pct: Annotated[Decimal, NumberBetween(0, 100, above=True)] = Field(
        Decimal(50), description="Percent by which revenue must have fallen below what is usual."
    )
    window: Annotated[int, DurationBetween("1m", "7d")] = Field(
        86400, description="With `fixed` alone: the time whose revenue is looked at."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400,
        description="With `fixed` alone: the past that the window is compared with; whole weeks for compare: weekday.",
    )
    compare: Literal["rolling", "weekday"] = Field(
        "rolling",
        description="With `fixed` alone: the average of the baseline (rolling), or of the same weekdays in it.",
    )
    min_daily_revenue: Annotated[int, WholeBetween(1, 10**12)] = Field(
        100, description="Currencies that brought in less a day than this, in whole units, are not watched."
    )

    @model_validator(mode="after")
    def _whole_weeks(self) -> Self:
        if self.compare == "weekday" and self.baseline % (7 * DAY):
            raise problem("compare: weekday needs a baseline of whole weeks; use 7d, 14d, 21d or 28d")
        return self


DETECTOR = judged_by(
    lambda t: fixed.METHOD if t.fixed else evidence.METHOD,
    alert="BillingRevenueDrop",
    summary="Revenue is far below what it usually is.",
    runbook=Runbook(
        meaning="In one currency, both money and sales of a window (2h, 6h, 1d, 3d or 7d) are far below what is "
        "usual at this time of the week: by `drop_pct` percent or more, and by more than chance explains. Usual is "
        "the second lowest of four weeks (the lower of two, `past`), so that one holiday or renewal day among them "
        "changes nothing. Or a day's money alone is a quarter of the usual or less, where 24 sales are usual. Sales "
        "are the charges that took money in the currency (`billing_charges_total`). Where those are not yet known for "
        "four weeks, as after an upgrade, all sales of the tenant stand for them, of which each currency has its part; "
        "of several currencies, one that seldom brings money is not judged meanwhile. Where Prometheus knows less than "
        "two weeks, nothing fires. With `sensitivity: fixed`: gross revenue of the window is lower by `drop_pct` "
        "percent or more than the average of the baseline before it, or than the same weekdays in it. Each currency is "
        "looked at alone.",
        impact="Sales are missing: nobody buys, nobody can pay, or a renewal run did not happen.",
        first="1. Do charges fail (BillingChargeFailureSpike) or are there fewer attempts? Ask for those of the last "
        f"day, now and at the same time a week ago:{first_look(catalog.CHARGE_ATTEMPTS, '', '1d')}"
        f"2. Is it all currencies? In minor units:{first_look(catalog.REVENUE, 'currency', '1d')}"
        "\n   One alone points at a payment method or a country.\n"
        "3. Is Stripe still sending (BillingSilentLapse, `billing_events_total`)?\n"
        "4. Is it a public holiday, or the end of a sale? Then it is no trouble.",
        tune="`sensitivity: low` fires rarely, `high` early; `drop_pct` and `min_daily_revenue` (whole units of each "
        "currency) are the least beside it. With `fixed`: `drop_pct`, `min_daily_revenue`, and `compare: weekday` for "
        "shops with quiet weekends; a `baseline` of several weeks then needs Prometheus to keep that long.",
    ),
    labels=("tenant", "currency"),
    panel=Panel(
        "Revenue of each window",
        "Gross revenue of the last hours and days in whole units of the currency, and the part of what is usual then "
        "that is a drop. Normal: above the dashed line of its window. The dashed lines begin when Prometheus knows two "
        "weeks.",
        f"tenant:{REVENUE.name}:delta$window",
        f"tenant:{REVENUE.name}:threshold$window",
        "money",
        "fires at or below",
    ),
)
