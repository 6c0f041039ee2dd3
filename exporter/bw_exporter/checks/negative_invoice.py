"""Invoices that ask for less than nothing, and those for nothing where the subscription costs something.

A proration may make an invoice negative rightly: then the rest of its lines has to be negative too. A zero is right
after a trial, a coupon, a credit or a change; it is judged against the subscription as its own events showed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from bw_exporter.checks import invoice_mismatch
from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.checks.invoice_lines import Price, Version, in_force, units, unknown_before
from bw_exporter.checks.invoice_mismatch import Plan
from bw_exporter.config import check_settings
from bw_exporter.config.check_settings import InvoiceCheckSettings
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.invoices import InvoiceSeen
from bw_exporter.store.declared import DeferredOf, Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Transaction
from bw_exporter.store.retention import LEDGER_SECONDS
from bw_exporter.store.state_json import decoded, encoded

NAME = "negative_invoice"
DETAILS = ("invoice", "subscription", "reason", "amount", "currency", "expected", "link")
FACTS = (InvoiceSeen,)

_JUDGED = "negative"
_RENEWALS = ("subscription_cycle", "subscription", None)
_CANCELED = ("void", "uncollectible")


@dataclass(frozen=True, slots=True)
class Judged:
    """That an invoice was suspected, or voided before it could be."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """An invoice of zero or less, with what judging it takes; `event_at` is when its `event` was made."""

    reason: Literal["negative", "zero"] = "negative"
    subscription: str = ""
    total: int = 0
    currency: str = ""
    created_at: int = 0
    finalized_at: int = 0
    event: str = ""
    event_at: int = 0
    livemode: bool = True
    grace_seconds: int = 0
    graces: int = 1


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the invoice where it could be wrong."""
    if isinstance(fact, InvoiceSeen) and _reason(fact):
        yield StatesOf(tenant.id, fact.invoice)
        yield DeferredOf(tenant.id, NAME, fact.invoice)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Suspect an invoice of zero or less once; let it go when it is voided."""
    reason = _reason(fact) if isinstance(fact, InvoiceSeen) else None
    if not isinstance(fact, InvoiceSeen) or reason is None:
        return
    if fact.status in _CANCELED:
        for deferred in tx.deferred(tenant.id, NAME, fact.invoice):
            tx.drop(deferred)
    if load(Judged, tx, tenant.id, _JUDGED, fact.invoice).begun:
        return
    save(Judged(begun=True), tx, tenant.id, _JUDGED, fact.invoice, now + LEDGER_SECONDS)
    if fact.status in _CANCELED:
        return
    settings = check_settings.in_force(tenant.detectors, NAME, InvoiceCheckSettings)
    suspect = Suspect(
        reason,
        fact.subscription or "",
        fact.total or 0,
        fact.currency,
        fact.created_at,
        fact.finalized_at,
        fact.event,
        fact.event_at,
        fact.livemode,
        settings.grace,
    )
    due_at = now + settings.grace
    tx.defer(DeferredCheck(tenant.id, NAME, fact.invoice, fact.invoice, due_at, encoded(suspect)))


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Report a negative invoice; one of zero, if its subscription cost something all the time around it.

    Deferred by one more grace where nothing newer than the invoice was received since.
    """
    suspect = decoded(Suspect, deferred.state)
    owed = Decimal(0) if suspect.reason == "negative" else _owed(suspect, tx, deferred.tenant)
    if owed is None:
        return None
    if suspect.graces == 1 and not tx.saw_event_since(deferred.tenant, suspect.event_at, suspect.event):
        again = encoded(replace(suspect, graces=2))
        tx.defer(replace(deferred, due_at=now + suspect.grace_seconds, state=again))
        return None
    details = {
        "invoice": deferred.key,
        "subscription": suspect.subscription,
        "reason": suspect.reason,
        "amount": suspect.total,
        "currency": suspect.currency,
        "expected": str(owed) if suspect.reason == "zero" else "",
        "link": stripe_link("invoices", deferred.key, livemode=suspect.livemode),
    }
    return Finding(now, deferred.tenant, NAME, details)


def _reason(invoice: InvoiceSeen) -> Literal["negative", "zero"] | None:
    """Return what may be wrong with an invoice, as far as it says itself."""
    total = invoice.total
    if total is None or total > 0 or invoice.status not in ("open", "paid", *_CANCELED):
        return None
    if invoice.revision or invoice.test_clock or invoice.truncated:
        return None
    if total < 0:
        lines = [line.amount or 0 for line in invoice.lines if not line.proration]
        return "negative" if sum(lines) < 0 else None
    explained = invoice.discounted or invoice.credited
    changed = any(line.proration or (line.amount or 0) < 0 for line in invoice.lines)
    renewal = invoice.subscription and invoice.billing_reason in _RENEWALS
    return "zero" if renewal and not explained and not changed else None


def _owed(suspect: Suspect, tx: Transaction, tenant: str) -> Decimal | None:
    """Return the least that the subscription cost around the invoice, None where that may be nothing."""
    plan = load(Plan, tx, tenant, invoice_mismatch.PLAN, suspect.subscription)
    versions = [Version.of(raw) for raw in plan.versions]
    if unknown_before(suspect, versions, evicted=plan.evicted):
        return None
    costs = [_cost(version, suspect) for version in in_force(suspect, versions)]
    known = [cost for cost in costs if cost]
    return min(known) if known and len(known) == len(costs) else None


def _cost(version: Version, suspect: Suspect) -> Decimal | None:
    in_trial = version.trial_end_at is not None and version.trial_end_at >= suspect.created_at
    if version.ended or version.test_clock or in_trial:
        return None
    parts = [_part(price) for price in version.items.values()]
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def _part(price: Price) -> Decimal | None:
    unsure = (
        price.metered or price.tiered or price.trial or price.unit_amount is None or price.quantity is None
    )
    return None if unsure else Decimal(price.unit_amount or 0) * units(price.quantity or 0, price)
