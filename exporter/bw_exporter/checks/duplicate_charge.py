"""Duplicate charges: the same amount taken from the same payer twice within the tenant's window.

A pair is judged by when the charges were made, never by when their events arrived, and only after a grace
in which an invoice link or a refund may still explain it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bw_exporter.checks import invoice_payments
from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.checks.paid_charges import (
    OF_CHARGES,
    PAID,
    OfCharge,
    Paid,
    after_made,
    differ,
    following,
    payment_of,
    refunded_at,
    topics_of,
)
from bw_exporter.config.check_settings import DuplicateChargeSettings, in_force
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.charges import ChargeMade
from bw_exporter.facts.invoices import InvoiceBilled, InvoicePayment
from bw_exporter.facts.refunds import RefundFailed
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, RaiseTo
from bw_exporter.store.declared import MarksAround, Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Mark, Transaction
from bw_exporter.store.retention import charges_kept_seconds
from bw_exporter.store.state_json import decoded, encoded

NAME = "duplicate_charge"
DETAILS = ("charge", "duplicate_of", "amount", "currency", "charged_at", "seconds_apart", "link")
FACTS = (ChargeMade, *OF_CHARGES, InvoiceBilled)

_NEIGHBOURS = 16
"""How many equal charges on either side of one are looked at; each of a longer burst finds its own."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The window that a charge was suspected with."""

    window_seconds: int = 0


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the charge, and the marks of its payers around it; the charges found there cannot be known before."""
    if isinstance(fact, InvoiceBilled):
        yield StatesOf(tenant.id, fact.invoice)
        return
    if isinstance(fact, ChargeMade):
        settings = in_force(tenant.detectors, NAME, DuplicateChargeSettings)
        if not _compared(fact, settings):
            return
        for parts in topics_of(fact):
            yield MarksAround(tenant.id, parts, fact.created_at, settings.window)
    elif isinstance(fact, InvoicePayment):
        yield StatesOf(tenant.id, fact.invoice)
        if fact.payment_intent:
            yield StatesOf(tenant.id, fact.payment_intent)
    if isinstance(fact, (ChargeMade, *OF_CHARGES)) and fact.charge:
        yield StatesOf(tenant.id, fact.charge)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Remember what a fact says of a charge, and suspect the later of two that look alike."""
    settings = in_force(tenant.detectors, NAME, DuplicateChargeSettings)
    if isinstance(fact, ChargeMade):
        if _compared(fact, settings):
            _charge(fact, tx, tenant, settings, now)
    elif isinstance(fact, InvoiceBilled):
        invoice_payments.bill(fact, tx, tenant.id, now)
    elif isinstance(fact, OF_CHARGES):
        if isinstance(fact, InvoicePayment):
            invoice_payments.pay(fact, tx, tenant.id, now, now + charges_kept_seconds(settings.window))
        if fact.charge:
            _about(fact.charge, fact, tx, tenant.id, settings, now)


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Judge a suspected charge, its grace over: a duplicate unless each equal charge before it explains it."""
    tenant, charge = deferred.tenant, deferred.key
    window = decoded(Suspicion, deferred.state).window_seconds
    paid = load(Paid, tx, tenant, PAID, charge)
    earlier = None if paid.flagged else _original(tx, tenant, charge, paid, window)
    if earlier is None:
        return None
    first, original = earlier
    save(replace(paid, flagged=True), tx, tenant, PAID, charge, now + charges_kept_seconds(window))
    tx.change(
        tenant,
        (
            Add(catalog.DUPLICATE_CHARGES),
            Add(catalog.DUPLICATE_AMOUNT, (paid.currency,), paid.taken),
            RaiseTo(catalog.LAST_DUPLICATE, now),
        ),
    )
    details = {
        "charge": charge,
        "duplicate_of": first,
        "amount": paid.taken,
        "currency": paid.currency,
        "charged_at": paid.created_at,
        "seconds_apart": paid.created_at - original.created_at,
        "link": stripe_link("payments", paid.payment_intent or charge, livemode=paid.livemode),
    }
    return Finding(now, tenant, NAME, details)


def _charge(
    fact: ChargeMade, tx: Transaction, tenant: Tenant, settings: DuplicateChargeSettings, now: int
) -> None:
    known = load(Paid, tx, tenant.id, PAID, fact.charge)
    paid = after_made(fact, known, tx, settings.distinct_metadata, livemode=tenant.mode == "live")
    if paid == known:
        return
    if not paid.topics and not known.taken:
        tx.change(tenant.id, (Add(catalog.DUPLICATE_SKIPPED, ("no_payer",)),))
    keep_until = now + charges_kept_seconds(settings.window)
    save(paid, tx, tenant.id, PAID, fact.charge, keep_until)
    before, after = _around(tx, tenant.id, fact.charge, paid, settings.window)
    for topic in paid.topics:
        tx.mark(tenant.id, topic, (fact.created_at, fact.charge), keep_until)
    _suspect([fact.charge, *after] if before else after, tx, tenant.id, settings, now)


def _about(
    charge: str,
    fact: OfCharge,
    tx: Transaction,
    tenant: str,
    settings: DuplicateChargeSettings,
    now: int,
) -> None:
    paid = load(Paid, tx, tenant, PAID, charge)
    known = following(fact, paid)
    if known != paid:
        save(known, tx, tenant, PAID, charge, now + charges_kept_seconds(settings.window))
    if isinstance(fact, RefundFailed):
        # What it excused is under suspicion again.
        _, after = _around(tx, tenant, charge, known, settings.window)
        _suspect(after, tx, tenant, settings, now)


def _compared(fact: ChargeMade, settings: DuplicateChargeSettings) -> bool:
    """Tell whether a charge is compared with others: a card held to a terminal is a consent of its own."""
    return fact.taken > 0 and not (fact.in_person and settings.card_present == "ignore")


def _suspect(
    charges: list[str], tx: Transaction, tenant: str, settings: DuplicateChargeSettings, now: int
) -> None:
    """Defer a verdict on each of these charges by the grace, if another before it looks the same."""
    for charge in charges:
        paid = load(Paid, tx, tenant, PAID, charge)
        if not paid.flagged and _original(tx, tenant, charge, paid, settings.window) is not None:
            state = encoded(Suspicion(settings.window))
            tx.defer(DeferredCheck(tenant, NAME, charge, charge, now + settings.grace, state))


def _around(
    tx: Transaction, tenant: str, charge: str, paid: Paid, window: int
) -> tuple[list[str], list[str]]:
    """Return the charges of the same payer and amount before this one and after it, the nearest first."""
    before, after = list[Mark](), list[Mark]()
    for topic in paid.topics:
        sides = tx.marks_around(tenant, topic, (paid.created_at, charge), window, _NEIGHBOURS)
        before += sides[0]
        after += sides[1]
    earlier = [key for _, key in sorted(set(before), reverse=True)]
    return earlier, [key for _, key in sorted(set(after))]


def _original(tx: Transaction, tenant: str, charge: str, paid: Paid, window: int) -> tuple[str, Paid] | None:
    """Return the nearest charge before this one that it repeats without an explanation."""
    if paid.failed:
        return None
    for other in _around(tx, tenant, charge, paid, window)[0]:
        earlier = load(Paid, tx, tenant, PAID, other)
        # An amount captured later in parts leaves marks behind that are no longer its own.
        alike = not earlier.failed and not set(paid.topics).isdisjoint(earlier.topics)
        if alike and not _explained(tx, tenant, (other, earlier), (charge, paid)):
            return other, earlier
    return None


def _explained(tx: Transaction, tenant: str, first: tuple[str, Paid], second: tuple[str, Paid]) -> bool:
    earlier, later = first[1], second[1]
    if earlier.payment_intent and earlier.payment_intent == later.payment_intent:
        return True
    if differ(earlier, later):
        return True
    returned_at = refunded_at(earlier)
    if returned_at is not None and returned_at <= later.created_at:
        return True
    paid_for, pays_for = _invoice(tx, tenant, earlier), _invoice(tx, tenant, later)
    if not paid_for or not pays_for:
        return False
    return paid_for != pays_for or invoice_payments.are_parts(
        tx, tenant, paid_for, payment_of(first), payment_of(second)
    )


def _invoice(tx: Transaction, tenant: str, paid: Paid) -> str:
    if paid.invoice or not paid.payment_intent:
        return paid.invoice
    return invoice_payments.invoice_of(tx, tenant, paid.payment_intent)
