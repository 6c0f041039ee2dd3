"""More disputes than the tenant usually has."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import Runbook
from bw_rules.toolkit.promql import counter
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.spike import AtLeast, Spike, SpikeThresholds, at_least
from bw_rules.toolkit.thresholds import Severity


class Thresholds(SpikeThresholds):
    """When disputes are a spike."""

    severity: Severity = "critical"
    min_disputes: AtLeast = at_least(3, "disputes")


DISPUTES = counter(catalog.DISPUTES, summed="reason")

DETECTOR = Spike(DISPUTES, "disputes", lambda t: t.min_disputes, every_case=True).detector(
    alert="BillingFraudSpike",
    summary="Many more disputes are opened than usual.",
    runbook=Runbook(
        meaning="More disputes were opened in a day, or in three days, than chance explains at the tenant's usual "
        "rate: that of four weeks (or two, `past`), of one week where Prometheus knows no more, or of its life where "
        "it is younger. Where it does not know a week of an older tenant, nothing fires. While over a tenth of the "
        "events were made longer than `catch_up.after` before they came, nothing fires. With `sensitivity: fixed`: "
        "within the window, several times as many were opened as on average in the baseline before. Inquiries are not "
        "counted; each dispute counts once.",
        impact="Each dispute costs a fee and the amount; too many lead to monitoring programs of the card networks.",
        first=f"1. Which reasons, within the last day?{first_look(catalog.DISPUTES, 'reason', '1d')}"
        "\n   Mostly `fraudulent` points at stolen cards, `product_not_received` at delivery, `duplicate` at "
        "BillingDuplicateCharge.\n"
        f"2. How many early fraud warnings?{first_look(catalog.EARLY_FRAUD_WARNINGS, '', '1d')}"
        "\n   Refund warned charges before they are disputed.\n"
        "3. In the Stripe dashboard: do the disputed charges share a card country, product, or day?\n"
        "4. Tighten Radar's rules; answer the disputes before their deadline.",
        tune="`sensitivity: low` fires rarely, `high` early; `min_disputes` is the least beside it. With `fixed`: "
        "`multiplier` and `min_disputes`.",
    ),
    normal="Normal: none or a few, below the dashed line.",
)
