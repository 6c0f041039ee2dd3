"""More refunds than the tenant usually makes."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import Runbook
from bw_rules.toolkit.promql import DAY, HOUR, counter
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.spike import AtLeast, Spike, SpikeThresholds, at_least
from bw_rules.toolkit.thresholds import Enabled, Severity


class Thresholds(SpikeThresholds):
    """When refunds are a spike; off until asked for, as its false alarms are not measured yet."""

    enabled: Enabled = False
    severity: Severity = "warning"
    min_refunds: AtLeast = at_least(5, "refunds")


DETECTOR = Spike(counter(catalog.REFUNDS), "refunds", lambda t: t.min_refunds, (HOUR, DAY)).detector(
    alert="BillingRefundSpike",
    summary="Many more refunds are made than usual.",
    runbook=Runbook(
        meaning="More refunds were made within an hour, or within a day, than chance explains at the tenant's usual "
        "rate: the average of four weeks (or two, `past`), and at least what the same hours of the week usually bring, "
        "so that a weekly round of refunds is no spike. Where Prometheus knows one week, or the tenant is younger, "
        "that is the average; where it does not know a week of an older tenant, nothing fires. While over a tenth of "
        "the events were made long before they came, nothing fires. With `sensitivity: fixed`: within the window, "
        "several times as many were made as on average in the baseline before. Each refund counts once, and one that "
        "fails later stays counted.",
        impact="Money goes back, and Stripe keeps its fee. Many refunds at once mean a faulty product or price, a "
        "script that runs wild, or somebody who sends money to cards of their own.",
        first=f"1. How much money, within the last day?{first_look(catalog.REFUNDED, 'currency', '1d')}"
        "\n2. In the Stripe dashboard, Payments, filtered by refunded: who made them (a person, an API key), for which "
        "product and for what reason? Do several go to one card, or to payments made long ago?\n"
        "3. Made by a person or a key that should not: roll the key (Developers, API keys), and take the role from the "
        "member (Settings, Team). Refunds that are still pending can be canceled.\n"
        "4. Made by a bug: stop the job that makes them.",
        tune="`sensitivity: low` fires rarely, `high` early; `min_refunds` is the least beside it. With `fixed`: "
        "`window: 1h`, `multiplier` and `min_refunds`.",
    ),
    normal="Normal: a few, below the dashed line.",
)
