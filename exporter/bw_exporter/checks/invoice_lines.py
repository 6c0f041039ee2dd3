"""An invoice's lines against the subscription's remembered versions: pure, line by line, before discount and tax.

Totals are never compared: coupons, taxes, balances, credit notes and minimum charges move them rightly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any, Literal, Protocol

from bw_exporter.checks import periods
from bw_exporter.facts.invoices import InvoiceLine, InvoiceSeen

SLACK_SECONDS = 300
"""How far before the invoice and after its finalisation a version may have been in force."""


@dataclass(frozen=True, slots=True)
class Price:
    """A subscription item's price and quantity in one version; `unit_amount` is a decimal's text.

    `interval` is empty where the price was remembered before its interval was, or has none.
    """

    currency: str = ""
    unit_amount: str | None = None
    quantity: int | None = None
    metered: bool = False
    tiered: bool = False
    trial: bool = False
    divide_by: int | None = None
    round_up: bool = True
    interval: str = ""
    interval_count: int = 1

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Price:
        """Rebuild a price from its JSON; what a newer version knows of it is left out."""
        return cls(**{name: value for name, value in raw.items() if name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Version:
    """A subscription as one event showed it; `first` where the event was its creation."""

    order: tuple[int, int] = (0, 0)
    first: bool = False
    ended: bool = False
    trial_end_at: int | None = None
    test_clock: bool = False
    items: dict[str, Price] = field(default_factory=dict)
    pending_items: dict[str, Price] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Version:
        """Rebuild a version from its JSON."""
        items = {item: Price.of(price) for item, price in raw.pop("items").items()}
        pending = {item: Price.of(price) for item, price in raw.pop("pending_items").items()}
        order = tuple(raw.pop("order"))
        known = {name: value for name, value in raw.items() if name in cls.__dataclass_fields__}
        return cls(**known, order=order, items=items, pending_items=pending)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line no version explains; `expected` and `amount` in minor units."""

    line: str
    kind: Literal["unit_price", "quantity", "amount"]
    amount: int
    expected: str
    currency: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an invoice's lines say; `reason` where it is abstained."""

    verdict: Literal["ok", "mismatch", "abstained"]
    reason: str = ""
    lines: tuple[BadLine, ...] = ()


class Dated(Protocol):
    """An invoice's times, in Unix seconds."""

    @property
    def created_at(self) -> int:
        """When it was drawn up."""

    @property
    def finalized_at(self) -> int:
        """When it was finalised."""


def judge(invoice: InvoiceSeen, versions: Sequence[Version], tolerance: int, *, evicted: bool) -> Verdict:
    """Judge an invoice by the versions that were in force around it.

    A line is right if any of them explains it, wrong if all of them can be judged and none explains it.
    `evicted` says that versions older than the first are forgotten.
    """
    test_clock = invoice.test_clock or any(version.test_clock for version in versions)
    candidates = list(versions if test_clock else in_force(invoice, versions))
    gap = unknown_before(invoice, versions, evicted=evicted)
    bad, ok, reasons, prorated = [], 0, list[str](), 0
    for line in invoice.lines:
        if line.proration or line.kind == "one_off":
            prorated += line.proration
            continue
        outcome = _line(line, candidates, tolerance, first=invoice.billing_reason == "subscription_create")
        if outcome == "ok":
            ok += 1
        elif isinstance(outcome, BadLine):
            if gap or test_clock:
                reasons.append(gap or "test_clock")
            else:
                bad.append(outcome)
        else:
            reasons.append(outcome)
    if bad:
        return Verdict("mismatch", lines=tuple(bad))
    if ok:
        return Verdict("ok")
    if reasons:
        return Verdict("abstained", reasons[0])
    if invoice.truncated:
        return Verdict("abstained", "lines_truncated")
    return Verdict("abstained", "only_prorations" if prorated else "no_line")


def in_force(invoice: Dated, versions: Sequence[Version]) -> Iterator[Version]:
    """Yield the versions that were in force around an invoice."""
    begins, ends = invoice.created_at - SLACK_SECONDS, invoice.finalized_at + SLACK_SECONDS
    for index, version in enumerate(versions):
        # Which of two versions of one second came last is not known: both were in force until the next.
        later = (each.order[0] for each in versions[index + 1 :] if each.order != version.order)
        if version.order[0] <= ends and next(later, ends) >= begins:
            yield version


def unknown_before(invoice: Dated, versions: Sequence[Version], *, evicted: bool) -> str:
    """Return why a version in force around an invoice is not known, if so: one from before the oldest known."""
    if not versions or versions[0].first or versions[0].order[0] <= invoice.created_at - SLACK_SECONDS:
        return ""
    return "state_evicted" if evicted else "subscription_unknown"


def _line(line: InvoiceLine, candidates: Sequence[Version], tolerance: int, *, first: bool) -> str | BadLine:
    """Return "ok", the line as wrong, or the reason why it cannot be judged; `first`: of a first invoice."""
    reason, wrong = "", None
    for version in reversed(candidates):
        for price in (version.items.get(line.item or ""), version.pending_items.get(line.item or "")):
            if price is None:
                continue
            outcome = _priced(line, version, price, tolerance, first=first)
            if outcome == "ok":
                return "ok"
            if isinstance(outcome, BadLine):
                wrong = wrong or outcome
            else:
                reason = reason or outcome
        if line.item not in version.items and line.item not in version.pending_items:
            reason = reason or "item_unknown"
    if reason:
        return reason
    return wrong or "subscription_unknown"


def _priced(  # noqa: C901, PLR0911 - one return per rule
    line: InvoiceLine, version: Version, price: Price, tolerance: int, *, first: bool
) -> str | BadLine:
    if price.metered:
        return "metered"
    if price.tiered:
        return "tiered"
    if price.trial:
        return "item_trial"
    if price.currency != line.currency:
        return "multi_currency"
    if price.unit_amount is None or price.quantity is None or line.amount is None:
        return "no_unit_amount"
    if line.amount == 0 and version.trial_end_at:
        if line.period_start_at is None:
            return "item_trial"
        if line.period_start_at < version.trial_end_at:
            return "ok"
    unit = Decimal(price.unit_amount)
    expected = unit * units(price.quantity, price)
    for amount in (line.amount, line.subtotal):
        # Fractions of a minor unit are rounded by a rule of Stripe's own; within one unit is right.
        if amount is not None and abs(amount - expected) < 1 + tolerance:
            return "ok"
    if (first and line.amount == 0) or _is_part(line, price, expected, tolerance):
        return "partial_period"
    return BadLine(line.id, _kind(line, price, unit), line.amount, str(expected), line.currency)


def _is_part(line: InvoiceLine, price: Price, expected: Decimal, tolerance: int) -> bool:
    """Tell whether the line covers another time than one interval of its price, and so may ask for another amount."""
    if line.period_start_at is None or line.period_end_at is None or line.amount is None:
        return False
    if line.period_end_at <= line.period_start_at:
        return False  # it does not say what it covers
    period = periods.Period(line.period_start_at, line.period_end_at)
    interval = periods.Interval(price.interval or "month", price.interval_count)
    if periods.is_shorter(period, interval):
        return True
    shares = periods.shares(period, interval)
    if periods.is_longer(period, interval) and shares:
        # One line from a start in the past: more than one interval's price, no more than that of all that were begun.
        return expected < line.amount <= expected * ceil(max(shares))
    return any(
        abs(line.amount - Fraction(expected) * share) < 1 + tolerance for share in shares if share != 1
    )


def units(quantity: int, price: Price) -> int:
    """Return how many units of a price a quantity is."""
    if not price.divide_by:
        return quantity
    return -(-quantity // price.divide_by) if price.round_up else quantity // price.divide_by


def _kind(line: InvoiceLine, price: Price, unit: Decimal) -> Literal["unit_price", "quantity", "amount"]:
    counted = line.quantity is not None and line.quantity != price.quantity
    if counted and line.amount == unit * units(line.quantity or 0, price):
        return "quantity"
    if line.unit_amount is not None and line.unit_amount != unit:
        return "unit_price"
    return "amount"
