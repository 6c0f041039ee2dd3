"""Duplicate charges: the same amount taken from the same payer twice within the tenant's window.

A pair is judged by when the charges were made, never by when their events arrived, and only after a grace
in which an invoice link or a refund may still explain it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.charges import ChargeMade
from bw_exporter.facts.invoices import InvoicePayment
from bw_exporter.facts.refunds import ChargeRefunded, RefundFailed, RefundMade
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, RaiseTo
from bw_exporter.store.declared import MarksAround, Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Mark, Transaction
from bw_exporter.store.retention import charges_kept_seconds
from bw_exporter.store.state_json import decoded, encoded

NAME = "duplicate_charge"
DETAILS = ("charge", "duplicate_of", "amount", "currency", "charged_at", "seconds_apart", "link")
FACTS = (ChargeMade, ChargeRefunded, RefundMade, RefundFailed, InvoicePayment)

_NEIGHBOURS = 16
"""How many equal charges on either side of one are looked at; each of a longer burst finds its own."""

_PAID, _INTENT = "paid", "intent"
_DEFAULT_WINDOW_SECONDS, _DEFAULT_GRACE_SECONDS = 300, 120


@dataclass(frozen=True, slots=True)
class Paid:
    """What is remembered of a charge that took money.

    `refunds` holds amount and time by refund, a failed one at 0; `refunded_at` is when the charge said that it
    was refunded in full.
    """

    created_at: int = 0
    taken: int = 0
    currency: str = ""
    payment_intent: str = ""
    invoice: str = ""
    topics: list[int] = field(default_factory=list)
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)
    refunded_at: int | None = None
    flagged: bool = False
    livemode: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """Which invoice a payment intent pays."""

    invoice: str = ""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A charge under suspicion, and the window it was suspected with."""

    window_seconds: int = 0


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the charge, and the marks of its payers around it; the charges found there cannot be known before."""
    if isinstance(fact, ChargeMade):
        if fact.mirror or fact.taken == 0:
            return
        for payer in fact.payers:
            yield MarksAround(tenant.id, _parts(fact, payer), fact.created_at, _window(tenant))
    if (
        isinstance(fact, (ChargeMade, InvoicePayment, ChargeRefunded, RefundMade, RefundFailed))
        and fact.charge
    ):
        yield StatesOf(tenant.id, fact.charge)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Remember what a fact says of a charge, and suspect the later of two that look alike."""
    if isinstance(fact, ChargeMade):
        _charge(fact, tx, tenant, now)
    elif isinstance(fact, InvoicePayment):
        if fact.payment_intent:
            keep_until = now + charges_kept_seconds(_window(tenant))
            save(Link(fact.invoice), tx, tenant.id, _INTENT, fact.payment_intent, keep_until)
        if fact.charge:
            paid = load(Paid, tx, tenant.id, _PAID, fact.charge)
            _remember(replace(paid, invoice=fact.invoice), tx, tenant, fact.charge, now)
    elif isinstance(fact, (ChargeRefunded, RefundMade, RefundFailed)) and fact.charge:
        paid = load(Paid, tx, tenant.id, _PAID, fact.charge)
        refunded = _with_refund(fact, paid)
        if refunded != paid:
            _remember(refunded, tx, tenant, fact.charge, now)
        if isinstance(fact, RefundFailed):
            # What it excused is under suspicion again.
            _, after = _around(tx, tenant.id, fact.charge, refunded, _window(tenant))
            _suspect(after, tx, tenant, now)


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Judge a suspected charge, its grace over: a duplicate unless each equal charge before it explains it."""
    tenant, charge = deferred.tenant, deferred.key
    window = decoded(Suspicion, deferred.state).window_seconds
    paid = load(Paid, tx, tenant, _PAID, charge)
    earlier = None if paid.flagged else _original(tx, tenant, charge, paid, window)
    if earlier is None:
        return None
    first, original = earlier
    save(replace(paid, flagged=True), tx, tenant, _PAID, charge, now + charges_kept_seconds(window))
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


def _charge(fact: ChargeMade, tx: Transaction, tenant: Tenant, now: int) -> None:
    if fact.mirror or fact.taken == 0:
        return
    known = load(Paid, tx, tenant.id, _PAID, fact.charge)
    paid = Paid(
        created_at=fact.created_at,
        taken=fact.taken,
        currency=fact.currency,
        payment_intent=fact.payment_intent or known.payment_intent,
        invoice=fact.invoice or known.invoice,
        topics=[tx.secret_topic(*_parts(fact, payer)) for payer in fact.payers],
        refunds=known.refunds,
        refunded_at=known.refunded_at,
        flagged=known.flagged,
        livemode=tenant.mode == "live",
    )
    if paid == known:
        return
    if not fact.payers and not known.taken:
        tx.change(tenant.id, (Add(catalog.DUPLICATE_SKIPPED, ("no_payer",)),))
    keep_until = _remember(paid, tx, tenant, fact.charge, now)
    before, after = _around(tx, tenant.id, fact.charge, paid, _window(tenant))
    for topic in paid.topics:
        tx.mark(tenant.id, topic, (fact.created_at, fact.charge), keep_until)
    _suspect([fact.charge, *after] if before else after, tx, tenant, now)


def _parts(fact: ChargeMade, payer: str) -> tuple[str, str, str]:
    """Return what the topic of equal charges of one payer is made of."""
    return payer, fact.currency_code, str(fact.taken)


def _suspect(charges: list[str], tx: Transaction, tenant: Tenant, now: int) -> None:
    """Defer a check of each of these charges by the grace, if another before it looks the same."""
    window = _window(tenant)
    due_at = now + _seconds(tenant, "grace", _DEFAULT_GRACE_SECONDS)
    for charge in charges:
        paid = load(Paid, tx, tenant.id, _PAID, charge)
        if not paid.flagged and _original(tx, tenant.id, charge, paid, window) is not None:
            suspicion = encoded(Suspicion(window))
            tx.defer(DeferredCheck(tenant.id, NAME, charge, charge, due_at, suspicion))


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
    for other in _around(tx, tenant, charge, paid, window)[0]:
        earlier = load(Paid, tx, tenant, _PAID, other)
        # An amount captured later in parts leaves marks behind that are no longer its own.
        alike = not set(paid.topics).isdisjoint(earlier.topics)
        if alike and not _explained(tx, tenant, earlier, paid):
            return other, earlier
    return None


def _explained(tx: Transaction, tenant: str, earlier: Paid, later: Paid) -> bool:
    if earlier.payment_intent and earlier.payment_intent == later.payment_intent:
        return True
    refunded_at = _refunded_at(earlier)
    if refunded_at is not None and refunded_at <= later.created_at:
        return True
    invoices = {_invoice(tx, tenant, earlier), _invoice(tx, tenant, later)}
    return "" not in invoices and len(invoices) > 1


def _invoice(tx: Transaction, tenant: str, paid: Paid) -> str:
    if paid.invoice or not paid.payment_intent:
        return paid.invoice
    return load(Link, tx, tenant, _INTENT, paid.payment_intent).invoice


def _with_refund(fact: ChargeRefunded | RefundMade | RefundFailed, paid: Paid) -> Paid:
    if isinstance(fact, ChargeRefunded):
        if not fact.full:
            return paid
        at = fact.at if paid.refunded_at is None else min(fact.at, paid.refunded_at)
        return replace(paid, refunded_at=at)
    refund = (0, 0) if isinstance(fact, RefundFailed) else (fact.amount, fact.at)
    if isinstance(fact, RefundMade) and fact.refund in paid.refunds:
        return paid
    return replace(paid, refunds={**paid.refunds, fact.refund: refund})


def _refunded_at(paid: Paid) -> int | None:
    """When the charge was refunded in full: by the sum of its refunds, or by its own word if none has failed."""
    amounts = [amount for amount, _ in paid.refunds.values()]
    known = [] if paid.refunded_at is None or 0 in amounts else [paid.refunded_at]
    if amounts and sum(amounts) >= paid.taken:
        known.append(max(at for _, at in paid.refunds.values()))
    return min(known, default=None)


def _remember(paid: Paid, tx: Transaction, tenant: Tenant, charge: str, now: int) -> int:
    keep_until = now + charges_kept_seconds(_window(tenant))
    save(paid, tx, tenant.id, _PAID, charge, keep_until)
    return keep_until


def _window(tenant: Tenant) -> int:
    return _seconds(tenant, "window", _DEFAULT_WINDOW_SECONDS)


def _seconds(tenant: Tenant, name: str, default: int) -> int:
    return int(getattr(tenant.detectors.get(NAME), name, default))
