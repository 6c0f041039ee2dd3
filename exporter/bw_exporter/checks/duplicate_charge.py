"""Duplicate charges: the same amount taken from the same payer twice within the tenant's window.

A pair is judged by when the charges were made, never by when their events arrived, and only after a grace
in which an invoice link or a refund may still explain it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bw_exporter.checks import invoice_payments
from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.checks.invoice_payments import Payment
from bw_exporter.config.check_settings import DuplicateChargeSettings, in_force
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.charges import ChargeFailed, ChargeMade
from bw_exporter.facts.invoices import InvoiceBilled, InvoicePayment
from bw_exporter.facts.refunds import ChargeRefunded, RefundFailed, RefundMade
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, RaiseTo
from bw_exporter.store.declared import MarksAround, Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Mark, Transaction
from bw_exporter.store.retention import charges_kept_seconds
from bw_exporter.store.state_json import decoded, encoded

NAME = "duplicate_charge"
DETAILS = ("charge", "duplicate_of", "amount", "currency", "charged_at", "seconds_apart", "link")
_OF_CHARGES = (ChargeFailed, ChargeRefunded, RefundMade, RefundFailed, InvoicePayment)
FACTS = (ChargeMade, *_OF_CHARGES, InvoiceBilled)

_NEIGHBOURS = 16
"""How many equal charges on either side of one are looked at; each of a longer burst finds its own."""

_PAID = "paid"


@dataclass(frozen=True, slots=True)
class Paid:
    """What is remembered of a charge that took money.

    `topics` are MACs of each payer with currency and amount; `instrument` is the one of the payment method, 0 where
    its fingerprint is not known. `purchase` holds MACs of the metadata by which purchases differ, by key.
    `refunds` holds amount and time by refund, a failed one at 0; `refunded_at` is when the charge said that it
    was refunded in full. `failed`: it failed after all, and has taken nothing.
    """

    created_at: int = 0
    taken: int = 0
    currency: str = ""
    payment_intent: str = ""
    invoice: str = ""
    topics: list[int] = field(default_factory=list)
    instrument: int = 0
    purchase: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)
    refunded_at: int | None = None
    failed: bool = False
    flagged: bool = False
    livemode: bool = True


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
        for parts in _topics(fact):
            yield MarksAround(tenant.id, parts, fact.created_at, settings.window)
    elif isinstance(fact, InvoicePayment):
        yield StatesOf(tenant.id, fact.invoice)
        if fact.payment_intent:
            yield StatesOf(tenant.id, fact.payment_intent)
    if isinstance(fact, (ChargeMade, *_OF_CHARGES)) and fact.charge:
        yield StatesOf(tenant.id, fact.charge)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Remember what a fact says of a charge, and suspect the later of two that look alike."""
    settings = in_force(tenant.detectors, NAME, DuplicateChargeSettings)
    if isinstance(fact, ChargeMade):
        if _compared(fact, settings):
            _charge(fact, tx, tenant, settings, now)
    elif isinstance(fact, InvoiceBilled):
        invoice_payments.bill(fact, tx, tenant.id, now)
    elif isinstance(fact, _OF_CHARGES):
        if isinstance(fact, InvoicePayment):
            invoice_payments.pay(fact, tx, tenant.id, now, now + charges_kept_seconds(settings.window))
        if fact.charge:
            _about(fact.charge, fact, tx, tenant.id, settings, now)


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


def _charge(
    fact: ChargeMade, tx: Transaction, tenant: Tenant, settings: DuplicateChargeSettings, now: int
) -> None:
    known = load(Paid, tx, tenant.id, _PAID, fact.charge)
    topics = [tx.secret_topic(*parts) for parts in _topics(fact)]
    paid = Paid(
        created_at=fact.created_at,
        taken=fact.taken,
        currency=fact.currency,
        payment_intent=fact.payment_intent or known.payment_intent,
        invoice=fact.invoice or known.invoice,
        topics=topics,
        instrument=topics[-1] if fact.instrument else 0,
        purchase={
            key: tx.secret_topic("metadata", key, str(fact.metadata[key]))
            for key in settings.distinct_metadata
            if fact.metadata.get(key) not in (None, "")
        },
        refunds=known.refunds,
        refunded_at=known.refunded_at,
        failed=known.failed,
        flagged=known.flagged,
        livemode=tenant.mode == "live",
    )
    if paid == known:
        return
    if not topics and not known.taken:
        tx.change(tenant.id, (Add(catalog.DUPLICATE_SKIPPED, ("no_payer",)),))
    keep_until = now + charges_kept_seconds(settings.window)
    save(paid, tx, tenant.id, _PAID, fact.charge, keep_until)
    before, after = _around(tx, tenant.id, fact.charge, paid, settings.window)
    for topic in topics:
        tx.mark(tenant.id, topic, (fact.created_at, fact.charge), keep_until)
    _suspect([fact.charge, *after] if before else after, tx, tenant.id, settings, now)


def _about(
    charge: str,
    fact: ChargeFailed | ChargeRefunded | RefundMade | RefundFailed | InvoicePayment,
    tx: Transaction,
    tenant: str,
    settings: DuplicateChargeSettings,
    now: int,
) -> None:
    paid = load(Paid, tx, tenant, _PAID, charge)
    following = _following(fact, paid)
    if following != paid:
        save(following, tx, tenant, _PAID, charge, now + charges_kept_seconds(settings.window))
    if isinstance(fact, RefundFailed):
        # What it excused is under suspicion again.
        _, after = _around(tx, tenant, charge, following, settings.window)
        _suspect(after, tx, tenant, settings, now)


def _compared(fact: ChargeMade, settings: DuplicateChargeSettings) -> bool:
    """Tell whether a charge is compared with others: a card held to a terminal is a consent of its own."""
    return fact.taken > 0 and not (fact.in_person and settings.card_present == "ignore")


def _topics(fact: ChargeMade) -> list[tuple[str, str, str]]:
    """Return what the topics of equal charges are made of: one of each payer, the payment method's last."""
    # The prefix keeps a customer's id from ever meeting a fingerprint.
    payers = [f"customer {fact.customer}"] if fact.customer else []
    payers += [fact.instrument] if fact.instrument else []
    return [(payer, fact.currency_code, str(fact.taken)) for payer in payers]


def _suspect(
    charges: list[str], tx: Transaction, tenant: str, settings: DuplicateChargeSettings, now: int
) -> None:
    """Defer a verdict on each of these charges by the grace, if another before it looks the same."""
    for charge in charges:
        paid = load(Paid, tx, tenant, _PAID, charge)
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
        earlier = load(Paid, tx, tenant, _PAID, other)
        # An amount captured later in parts leaves marks behind that are no longer its own.
        alike = not earlier.failed and not set(paid.topics).isdisjoint(earlier.topics)
        if alike and not _explained(tx, tenant, (other, earlier), (charge, paid)):
            return other, earlier
    return None


def _explained(tx: Transaction, tenant: str, first: tuple[str, Paid], second: tuple[str, Paid]) -> bool:
    earlier, later = first[1], second[1]
    if earlier.payment_intent and earlier.payment_intent == later.payment_intent:
        return True
    if _differ(earlier, later):
        return True
    refunded_at = _refunded_at(earlier)
    if refunded_at is not None and refunded_at <= later.created_at:
        return True
    paid_for, pays_for = _invoice(tx, tenant, earlier), _invoice(tx, tenant, later)
    if not paid_for or not pays_for:
        return False
    return paid_for != pays_for or invoice_payments.are_parts(
        tx, tenant, paid_for, _payment(first), _payment(second)
    )


def _differ(earlier: Paid, later: Paid) -> bool:
    """Tell whether two payment methods, or what the shop wrote on the charges, make them two purchases."""
    if earlier.instrument and later.instrument and earlier.instrument != later.instrument:
        return True
    return any(later.purchase.get(key, each) != each for key, each in earlier.purchase.items())


def _payment(charge: tuple[str, Paid]) -> Payment:
    key, paid = charge
    return Payment(paid.payment_intent or key, paid.created_at, paid.taken)


def _invoice(tx: Transaction, tenant: str, paid: Paid) -> str:
    if paid.invoice or not paid.payment_intent:
        return paid.invoice
    return invoice_payments.invoice_of(tx, tenant, paid.payment_intent)


def _following(
    fact: ChargeFailed | ChargeRefunded | RefundMade | RefundFailed | InvoicePayment, paid: Paid
) -> Paid:
    """Return what is remembered of a charge once a fact about it is known."""
    if isinstance(fact, ChargeFailed):
        # A card's charge that failed never took money: only one that is known to have is worth remembering.
        return replace(paid, failed=paid.failed or fact.late or paid.taken > 0)
    if isinstance(fact, InvoicePayment):
        return replace(paid, invoice=fact.invoice)
    if isinstance(fact, ChargeRefunded):
        if not fact.full:
            return paid
        at = fact.at if paid.refunded_at is None else min(fact.at, paid.refunded_at)
        return replace(paid, refunded_at=at)
    if isinstance(fact, RefundMade) and fact.refund in paid.refunds:
        return paid
    refund = (0, 0) if isinstance(fact, RefundFailed) else (fact.amount, fact.at)
    return replace(paid, refunds={**paid.refunds, fact.refund: refund})


def _refunded_at(paid: Paid) -> int | None:
    """When the charge was refunded in full: by the sum of its refunds, or by its own word if none has failed."""
    amounts = [amount for amount, _ in paid.refunds.values()]
    known = [] if paid.refunded_at is None or 0 in amounts else [paid.refunded_at]
    if amounts and sum(amounts) >= paid.taken:
        known.append(max(at for _, at in paid.refunds.values()))
    return min(known, default=None)
