"""Duplicate charges: the same amount taken from the same payer twice within the tenant's window.

A pair is judged by when the charges were made, never by when their events arrived, and only after a grace
in which an invoice link or a refund may still explain it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bw_exporter import catalog
from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.facts import Fact
from bw_exporter.facts.charges import ChargeMade, ChargeRefunded, RefundMade
from bw_exporter.facts.invoices import InvoicePayment
from bw_exporter.memory import decoded, encoded
from bw_exporter.retention import charges_kept_seconds
from bw_exporter.series import Add, RaiseTo
from bw_exporter.store.protocol import Finding, Pending, Transaction
from bw_exporter.tenants import Tenant

NAME = "duplicate_charge"
FACTS = (ChargeMade, ChargeRefunded, RefundMade, InvoicePayment)

_NEIGHBOURS = 16
"""How many equal charges before one are compared with it; a burst longer than that is found all the same."""

_CHARGE, _INTENT = "paid", "intent"
_DEFAULT_WINDOW_SECONDS, _DEFAULT_GRACE_SECONDS = 300, 120


@dataclass(frozen=True, slots=True)
class Paid:
    """What is remembered of a charge that took money.

    `refunds` holds amount and time by refund; `refunded_at` is when the charge said it was refunded in full.
    """

    created_at: int = 0
    taken: int = 0
    currency: str = ""
    payment_intent: str = ""
    invoice: str = ""
    topics: tuple[str, ...] = ()
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)
    refunded_at: int | None = None
    flagged: bool = False
    livemode: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """Which invoice a payment intent pays."""

    invoice: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A charge under suspicion, and the window it was suspected with."""

    window_seconds: int = 0


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Remember what a fact says of a charge, and suspect the later of two that look alike."""
    keep_until = now + charges_kept_seconds(_window(tenant))
    if isinstance(fact, ChargeMade):
        _charge(fact, tx, tenant, now, keep_until)
    elif isinstance(fact, ChargeRefunded) and fact.full:
        paid = load(Paid, tx, tenant.id, _CHARGE, fact.charge)
        at = fact.at if paid.refunded_at is None else min(fact.at, paid.refunded_at)
        save(replace(paid, refunded_at=at), tx, tenant.id, _CHARGE, fact.charge, keep_until)
    elif isinstance(fact, RefundMade) and fact.charge:
        paid = load(Paid, tx, tenant.id, _CHARGE, fact.charge)
        refunds = {**paid.refunds, fact.refund: (fact.amount, fact.at)}
        save(replace(paid, refunds=refunds), tx, tenant.id, _CHARGE, fact.charge, keep_until)
    elif isinstance(fact, InvoicePayment):
        if fact.payment_intent:
            save(Link(fact.invoice), tx, tenant.id, _INTENT, fact.payment_intent, keep_until)
        if fact.charge:
            paid = load(Paid, tx, tenant.id, _CHARGE, fact.charge)
            save(replace(paid, invoice=fact.invoice), tx, tenant.id, _CHARGE, fact.charge, keep_until)


def settle(pending: Pending, tx: Transaction, now: int) -> Finding | None:
    """Judge a suspected charge, its grace over: a duplicate unless each equal charge before it explains it."""
    tx.drop(pending)
    tenant, charge = pending.tenant, pending.key
    window = decoded(Question, pending.state).window_seconds
    paid = load(Paid, tx, tenant, _CHARGE, charge)
    earlier = None if paid.flagged else _original(tx, tenant, charge, paid, window)
    if earlier is None:
        return None
    first, original = earlier
    save(replace(paid, flagged=True), tx, tenant, _CHARGE, charge, now + charges_kept_seconds(window))
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


def _charge(fact: ChargeMade, tx: Transaction, tenant: Tenant, now: int, keep_until: int) -> None:
    if fact.mirror or fact.taken == 0:
        return
    paid = load(Paid, tx, tenant.id, _CHARGE, fact.charge)
    if not fact.payers:
        if not paid.taken:
            tx.change(tenant.id, (Add(catalog.DUPLICATE_SKIPPED, ("no_payer",)),))
            save(replace(paid, taken=fact.taken), tx, tenant.id, _CHARGE, fact.charge, keep_until)
        return
    if paid.topics and paid.taken == fact.taken:
        return
    topics = tuple(tx.secret_topic(payer, fact.currency_code, str(fact.taken)) for payer in fact.payers)
    paid = replace(
        paid,
        created_at=fact.created_at,
        taken=fact.taken,
        currency=fact.currency,
        payment_intent=fact.payment_intent or "",
        invoice=fact.invoice or paid.invoice,
        topics=topics,
        livemode=tenant.mode == "live",
    )
    save(paid, tx, tenant.id, _CHARGE, fact.charge, keep_until)
    window = _window(tenant)
    for topic in topics:
        tx.mark(tenant.id, topic, fact.created_at, fact.charge, keep_until)
    suspects = {fact.charge: paid}
    for topic in topics:
        after = tx.marks(tenant.id, topic, fact.created_at, fact.created_at + window, _NEIGHBOURS)
        for _, other in after:
            suspects.setdefault(other, load(Paid, tx, tenant.id, _CHARGE, other))
    for charge, suspect in suspects.items():
        if suspect.flagged or _original(tx, tenant.id, charge, suspect, window) is None:
            continue
        tx.wait(
            Pending(
                tenant.id,
                NAME,
                charge,
                charge,
                now + _seconds(tenant, "grace", _DEFAULT_GRACE_SECONDS),
                encoded(Question(window)),
            )
        )


def _original(tx: Transaction, tenant: str, charge: str, paid: Paid, window: int) -> tuple[str, Paid] | None:
    """Return the nearest charge before this one that it repeats without an explanation."""
    for topic in paid.topics:
        before = tx.marks(tenant, topic, paid.created_at - window, paid.created_at, _NEIGHBOURS)
        for created_at, other in reversed(before):
            # Charges of one second are ordered by id, so that of two only one is the later.
            if (created_at, other) >= (paid.created_at, charge):
                continue
            earlier = load(Paid, tx, tenant, _CHARGE, other)
            if topic in earlier.topics and not _explained(tx, tenant, earlier, paid):
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


def _refunded_at(paid: Paid) -> int | None:
    """When the charge was refunded in full, by its own word or by the sum of its refunds."""
    known = [] if paid.refunded_at is None else [paid.refunded_at]
    if paid.refunds and sum(amount for amount, _ in paid.refunds.values()) >= paid.taken:
        known.append(max(at for _, at in paid.refunds.values()))
    return min(known, default=None)


def _window(tenant: Tenant) -> int:
    return _seconds(tenant, "window", _DEFAULT_WINDOW_SECONDS)


def _seconds(tenant: Tenant, name: str, default: int) -> int:
    return int(getattr(tenant.detectors.get(NAME), name, default))
