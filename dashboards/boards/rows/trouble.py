"""A tenant's troubles in detail: what the checks found, and disputes."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.counts import amounts, counts, split
from boards.toolkit.panels import Lines
from boards.toolkit.parts import Query
from boards.toolkit.queries import CURRENCY, ONE, STEP, latest, rise, whole_units
from bw_exporter.metrics import catalog


def findings(width: int) -> Lines:
    """Findings of the checks over time, in what room the detectors leave."""
    return split(
        "Findings by kind",
        "What the checks found, when they found it; the legend has the number in this time. "
        "Normal: none. The list with amounts and Stripe's ids: bw-exporter findings --tenant $tenant.",
        catalog.FINDINGS,
        "kind",
        width=width,
    )


def disputes() -> tuple[Lines, ...]:
    """Disputes, their warnings and their cost."""
    return (
        split(
            "Disputes opened by reason",
            "Each dispute once, inquiries not included. Normal: none or few. `fraudulent` alone points at stolen "
            "cards, `duplicate` at the duplicate check.",
            catalog.DISPUTES,
            "reason",
            width=6,
        ),
        panels.lines(
            "Disputes open",
            "Counted and not closed yet. Normal: few, and falling after a spike as they are decided.",
            "short",
            Query(latest(catalog.DISPUTES_OPEN.name, "tenant", ONE), "open"),
            kind="steps",
            width=6,
        ),
        split(
            "Disputes closed by outcome",
            "Won, lost, or an inquiry closed. Normal: some of each. If all are lost, evidence is not sent.",
            catalog.DISPUTES_CLOSED,
            "outcome",
            width=6,
        ),
        counts(
            "Warnings before disputes",
            "Radar's early fraud warnings and banks' inquiries. Normal: few; a burst announces disputes, and a refund "
            "in time avoids them.",
            (catalog.EARLY_FRAUD_WARNINGS, "early fraud warnings"),
            (catalog.INQUIRIES, "inquiries"),
            width=6,
        ),
        panels.lines(
            "Money moved by disputes, $currency",
            "Withdrawn by disputes and reinstated by those won, fees included, in whole units. Normal: less than a "
            "hundredth of revenue.",
            "locale",
            Query(
                whole_units(
                    rise(catalog.DISPUTE_FUNDS.name, "tenant, currency, direction", STEP, ONE, CURRENCY)
                ),
                "{{direction}}",
            ),
            kind="bars",
            width=12,
            height=6,
            label="$currency",
        ),
        panels.lines(
            "Money at stake in open disputes, $currency",
            "Amount of the disputes that are open, in whole units; what is lost comes back no more. Normal: less than "
            "a hundredth of a month's revenue.",
            "locale",
            Query(
                whole_units(latest(catalog.DISPUTED_OPEN.name, "tenant, currency", ONE, CURRENCY)), "at stake"
            ),
            kind="steps",
            width=12,
            height=6,
            label="$currency",
        ),
    )


def checks() -> tuple[Lines, ...]:
    """What the two checks looked at, and what they left."""
    return (
        split(
            "Invoices checked by verdict",
            "Each invoice compared with its subscription once. Normal: ok and not_applicable; mismatches are findings, "
            "and an invoice that cannot be judged is abstained from.",
            catalog.INVOICE_CHECKS,
            "verdict",
            width=6,
        ),
        split(
            "Invoice checks abstained by reason",
            "Why invoices were not judged. Normal: some, where prices are metered or tiered; subscription_unknown "
            "only in the first weeks.",
            catalog.INVOICE_ABSTENTIONS,
            "reason",
            width=6,
        ),
        split(
            "Charges not checked for duplicates",
            "No payer to compare, or too many charges to remember. Normal: some no_payer, no evicted.",
            catalog.DUPLICATE_SKIPPED,
            "reason",
            width=6,
        ),
        amounts(
            "Duplicate charges, $currency",
            "Amount taken twice, in whole units, when it was found. Normal: none.",
            (catalog.DUPLICATE_AMOUNT, "taken twice"),
            width=6,
        ),
    )
