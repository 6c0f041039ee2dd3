"""More payments fail than the tenant usually has, or most attempts fail."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bw_exporter.metrics import catalog
from bw_rules.detectors.charge_failure_spike import evidence, fixed
from bw_rules.detectors.charge_failure_spike.counters import ATTEMPTS, FAILURES
from bw_rules.toolkit.detector import Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import (
    DurationBetween,
    KeepFiringFor,
    NumberBetween,
    Severity,
    Weighed,
    WholeBetween,
)

__all__ = ["ATTEMPTS", "DETECTOR", "FAILURES", "Thresholds"]

_MULTIPLIER_OF_FIXED = Decimal(3)


class Thresholds(Weighed):
    """When failed charges are a spike."""

    only_fixed: ClassVar[frozenset[str]] = frozenset({"window", "baseline"})

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 900
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(2),
        description="How many times the failures of the same hours one day, two days and a week ago; with `fixed` (by "
        "default 3), of the window one baseline ago, and of the average one.",
    )
    window: Annotated[int, DurationBetween("1m", "1d")] = Field(
        3600, description="With `fixed` alone: the time in which failures are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400,
        description="With `fixed` alone: how far back the past is that the window is compared with.",
    )
    min_failures: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        5, description="Fewer failures in the window than this are never a spike."
    )
    failure_pct: Annotated[Decimal, NumberBetween(0, 100, above=True)] = Field(
        Decimal(50),
        description="Share of attempts in an hour, in percent, that fires where the past is unknown; with `fixed`, "
        "in the window and whatever the past was.",
    )
    min_attempts: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        10, description="Fewer attempts than this have no share."
    )

    @property
    def reads_old_events(self) -> bool:
        """Evidence is not weighed while many events are old."""
        return not self.fixed

    @model_validator(mode="after")
    def _multiplier_of_fixed(self) -> Self:
        if self.fixed and "multiplier" not in self.model_fields_set:
            self.__dict__["multiplier"] = _MULTIPLIER_OF_FIXED
        return self


DETECTOR = judged_by(
    lambda t: fixed.METHOD if t.fixed else evidence.METHOD,
    alert="BillingChargeFailureSpike",
    summary="Many more charges fail than usual.",
    runbook=Runbook(
        meaning="More payments failed than chance explains at the tenant's usual share of failures, and than in the "
        "same hours of the days before. Looked at are 1h and 6h; 1d and 3d where nearly all payments failed, for "
        "tenants with few payments a day; and 6h of failed invoices, apart from all others, as Stripe retries those "
        "in waves. The usual share is that of four weeks (or two, `past`); where Prometheus knows less, of one week; "
        "where it does not know a week of a tenant that is older, `failure_pct` of at least `min_attempts` attempts "
        "in an hour fires. A tenant younger than that is compared with its own life. While over a tenth of the "
        "events were made longer than `catch_up.after` before they came, nothing fires. With `sensitivity: fixed`: "
        "within the window, charges failed several times as often as in the same window one baseline ago and as on "
        "average since, or a large share of all attempts failed. Each charge counts once, when it is first seen "
        "succeeded or failed.",
        impact="Customers cannot pay. Until it ends, revenue is lost and subscriptions go past due.",
        first=f"1. Which reasons, within the last hour?{first_look(catalog.CHARGE_FAILURES, 'reason', '1h')}"
        "\n   `processing_error` and `try_again_later` point at Stripe or a bank, `fraudulent`, `incorrect_cvc` and "
        "`card_velocity_exceeded` at card testing, `authentication_required` at your checkout.\n"
        "2. status.stripe.com, and the Stripe dashboard's list of failed payments.\n"
        "3. What was deployed in the last hours?\n"
        "4. If BillingWebhookLag fires beside it, old events are arriving at once and nothing new is wrong.",
        tune="`sensitivity: low` fires rarely, `high` early; `min_failures` and `multiplier` are the least beside it. "
        "With `fixed`: `multiplier` and `min_failures` for the comparison with the past, `failure_pct` and "
        "`min_attempts` for the share.",
    ),
    panel=Panel(
        "Failed payments",
        "Payments that failed within each window, and the number that would be a spike at the present number of "
        "attempts. Normal: well below the dashed line.",
        f"tenant:{FAILURES.name}:delta$window",
        f"tenant:{FAILURES.name}:threshold$window",
    ),
)
