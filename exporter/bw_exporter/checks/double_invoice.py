"""Double invoices: two of one subscription that ask for the same time, both due.

Only whole periods of a renewal or a first invoice are compared, item by item. An invoice with a proration or a credit
is one that follows a change, and is not judged, nor is one that was voided, written off, credited or revised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.config.check_settings import InvoiceCheckSettings, in_force
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.invoices import InvoiceSeen
from bw_exporter.store.declared import Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Transaction
from bw_exporter.store.retention import DAY_SECONDS, LEDGER_SECONDS
from bw_exporter.store.state_json import decoded, encoded

NAME = "double_invoice"
DETAILS = (
    "invoice",
    "duplicate_of",
    "subscription",
    "amount",
    "currency",
    "period_start_at",
    "period_end_at",
    "link",
)
FACTS = (InvoiceSeen,)

_BILLED = "billed"
_STATUSES = ("open", "paid", "uncollectible", "void")
_DROPPED = ("uncollectible", "void")
_REASONS = ("subscription_cycle", "subscription_create", "subscription", None)
"""Null and `subscription` are what old API versions say of both."""

_INVOICES, _ITEMS = 4, 10
_LONGEST_KEPT_SECONDS = 400 * DAY_SECONDS

Span = tuple[int, int]
"""From when to when an invoice bills an item, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice asks for, and for which time of which item; `dropped`: nobody asks for it any more."""

    created_at: int = 0
    due: int = 0
    currency: str = ""
    dropped: bool = False
    flagged: bool = False
    livemode: bool = True
    spans: dict[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Billed:
    """The last bills of a subscription, by invoice."""

    bills: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The subscription of which a bill is suspected."""

    subscription: str = ""


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the subscription."""
    if isinstance(fact, InvoiceSeen) and _is_judged(fact):
        yield StatesOf(tenant.id, fact.subscription or "")


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Remember what an invoice bills, and suspect the later of two that bill the same."""
    if not isinstance(fact, InvoiceSeen) or not _is_judged(fact):
        return
    subscription = fact.subscription or ""
    bills = _bills(tx, tenant.id, subscription)
    known = bills.get(fact.invoice, Bill())
    bill = Bill(
        created_at=fact.created_at,
        due=max(fact.amount_due, known.due),
        currency=fact.currency,
        dropped=known.dropped or fact.status in _DROPPED or fact.credited,
        flagged=known.flagged,
        livemode=fact.livemode,
        spans=_spans(fact),
    )
    if bill == known:
        return
    newest = sorted({**bills, fact.invoice: bill}.items(), key=lambda each: (each[1].created_at, each[0]))
    following = dict(newest[-_INVOICES:])
    _save(tx, tenant.id, subscription, following, now)
    settings = in_force(tenant.detectors, NAME, InvoiceCheckSettings)
    state = encoded(Suspicion(subscription))
    for invoice in _doubles(following).keys() - _doubles(bills).keys():
        tx.defer(DeferredCheck(tenant.id, NAME, invoice, subscription, now + settings.grace, state))


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Report an invoice that still bills what another one does, its grace over."""
    subscription = decoded(Suspicion, deferred.state).subscription
    bills = _bills(tx, deferred.tenant, subscription)
    doubles = _doubles(bills)
    if deferred.key not in doubles:
        return None
    bill, (first, item) = bills[deferred.key], doubles[deferred.key]
    _save(tx, deferred.tenant, subscription, {**bills, deferred.key: replace(bill, flagged=True)}, now)
    start_at, end_at = bill.spans[item]
    details = {
        "invoice": deferred.key,
        "duplicate_of": first,
        "subscription": subscription,
        "amount": bill.due,
        "currency": bill.currency,
        "period_start_at": start_at,
        "period_end_at": end_at,
        "link": stripe_link("invoices", deferred.key, livemode=bill.livemode),
    }
    return Finding(now, deferred.tenant, NAME, details)


def _is_judged(invoice: InvoiceSeen) -> bool:
    of_whole_periods = invoice.subscription and invoice.billing_reason in _REASONS
    settled = invoice.revision or invoice.test_clock or invoice.truncated
    return bool(of_whole_periods) and invoice.status in _STATUSES and not settled


def _spans(invoice: InvoiceSeen) -> dict[str, Span]:
    """Return what the invoice bills of each item; nothing where a line follows a change or gives money back."""
    spans: dict[str, Span] = {}
    for line in invoice.lines:
        if line.proration or (line.amount or 0) < 0:
            return {}
        start_at, end_at, item = line.period_start_at, line.period_end_at, line.item or ""
        if line.kind == "subscription" and line.amount and start_at is not None and end_at is not None:
            known = spans.get(item, (start_at, end_at))
            spans[item] = (min(start_at, known[0]), max(end_at, known[1]))
    return dict(sorted(spans.items())[:_ITEMS])


def _doubles(bills: dict[str, Bill]) -> dict[str, tuple[str, str]]:
    """Return each bill not flagged yet that repeats an earlier one, with that one and the item."""
    due = {invoice: bill for invoice, bill in bills.items() if bill.due > 0 and not bill.dropped}
    found: dict[str, tuple[str, str]] = {}
    for invoice, bill in due.items():
        for other, earlier in due.items():
            if bill.flagged or (earlier.created_at, other) >= (bill.created_at, invoice):
                continue
            items = [item for item in bill.spans if _overlap(bill.spans[item], earlier.spans.get(item))]
            if items:
                found[invoice] = (other, items[0])
    return found


def _overlap(span: Span, other: Span | None) -> bool:
    """Tell whether two spans share more than a day, or of short ones more than half."""
    if other is None:
        return False
    shared = min(span[1], other[1]) - max(span[0], other[0])
    shorter = min(span[1] - span[0], other[1] - other[0])
    return shared > min(DAY_SECONDS, shorter // 2)


def _bills(tx: Transaction, tenant: str, subscription: str) -> dict[str, Bill]:
    raw = load(Billed, tx, tenant, _BILLED, subscription).bills
    return {invoice: _bill(each) for invoice, each in raw.items()}


def _bill(raw: dict[str, Any]) -> Bill:
    bill = decoded(Bill, orjson.dumps(raw))
    return replace(bill, spans={item: (span[0], span[1]) for item, span in bill.spans.items()})


def _save(tx: Transaction, tenant: str, subscription: str, bills: dict[str, Bill], now: int) -> None:
    ends = [end_at for bill in bills.values() for _, end_at in bill.spans.values()]
    kept = min(max([now, *ends]), now + _LONGEST_KEPT_SECONDS)
    raw = {invoice: orjson.loads(encoded(bill)) for invoice, bill in bills.items()}
    save(Billed(raw), tx, tenant, _BILLED, subscription, kept + LEDGER_SECONDS)
