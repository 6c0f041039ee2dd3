"""Invoices paid, and failed attempts to collect them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.invoices import InvoicePaid, InvoicePaymentFailed
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change


@dataclass(frozen=True, slots=True)
class Invoice:
    """What was counted of an invoice: that it was paid, minor units, and the failed attempts."""

    paid: bool = False
    amount: int = 0
    failed_attempts: tuple[str, ...] = ()


def invoice_paid(fact: InvoicePaid, state: Invoice, tenant: Tenant) -> tuple[Invoice, list[Change]]:
    """Count an invoice once, whichever of its two events comes, and what it adds to the amount paid."""
    changes: list[Change] = [] if state.paid else [Add(catalog.INVOICES_PAID)]
    more = fact.amount - state.amount
    if more > 0:
        changes.append(Add(catalog.INVOICES_PAID_AMOUNT, (fact.currency,), more))
        if tenant.revenue_basis == "invoice":
            changes.append(Add(catalog.REVENUE, (fact.currency,), more))
    return replace(state, paid=True, amount=max(fact.amount, state.amount)), changes


def invoice_payment_failed(
    fact: InvoicePaymentFailed, state: Invoice, _tenant: Tenant
) -> tuple[Invoice, list[Change]]:
    """Count each attempt of an invoice once."""
    if fact.attempt in state.failed_attempts:
        return state, []
    attempts = (*state.failed_attempts, fact.attempt)
    return replace(state, failed_attempts=attempts), [Add(catalog.INVOICE_PAYMENT_FAILURES)]


EFFECTS: dict[type, tuple[Effect, ...]] = {
    InvoicePaid: (Effect("invoice", lambda fact: fact.invoice, Invoice, invoice_paid),),
    InvoicePaymentFailed: (Effect("invoice", lambda fact: fact.invoice, Invoice, invoice_payment_failed),),
}
"""How each type of fact in this room counts."""
