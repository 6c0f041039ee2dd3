"""A finding as people read it: what happened in a sentence, how much, and where Stripe shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bw_exporter.monitoring.landing.formats import moment, money, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bw_exporter.store import Finding

_STRIPE = "https://dashboard.stripe.com/"
_MOST_LINES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: `at_stake` is what was charged again, or billed beyond what was right.

    `subject` is the id behind `link`, which is empty unless it leads to Stripe; `ids` are the others concerned.
    """

    found_at: int
    tenant: str
    kind: str
    subject: str
    at_stake: str
    sentences: tuple[str, ...]
    ids: str
    link: str


def as_row(finding: Finding) -> Row:
    """Return the finding for people; one of a kind unknown here shows its details by name."""
    read = _READ.get(finding.kind, _other)(finding.details)
    link = str(finding.details.get("link", ""))
    return Row(
        finding.found_at,
        finding.tenant,
        read.kind or finding.kind.replace("_", " "),
        read.subject,
        read.at_stake,
        read.sentences,
        read.ids,
        link if link.startswith(_STRIPE) else "",
    )


@dataclass(frozen=True, slots=True)
class _Read:
    kind: str = ""
    subject: str = ""
    at_stake: str = ""
    sentences: tuple[str, ...] = ()
    ids: str = ""


def _duplicate_charge(details: Mapping[str, Any]) -> _Read:
    apart, charged_at = details.get("seconds_apart"), details.get("charged_at")
    after = f"{span(apart)} after" if isinstance(apart, int) and apart else "at the same time as"
    when = f", charged {moment(charged_at)}" if isinstance(charged_at, int) else ""
    return _Read(
        "Duplicate charge",
        str(details.get("charge", "")),
        money(details.get("amount", ""), details.get("currency")),
        (f"The same payer was charged the same amount again, {after} the first charge.",),
        f"after {details.get('duplicate_of', '')}{when}",
    )


def _invoice_mismatch(details: Mapping[str, Any]) -> _Read:
    stored = details.get("lines")
    lines = [line for line in stored if isinstance(line, dict)] if isinstance(stored, list) else []
    said = [_line(line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        said.append(f"And {len(lines) - _MOST_LINES} lines more.")
    ids = [f"subscription {details.get('subscription', '')}"]
    ids += [f"line {line.get('line', '')}" for line in lines[:_MOST_LINES]]
    subject = str(details.get("invoice", ""))
    return _Read("Invoice mismatch", subject, _too_much(lines), tuple(said), ", ".join(ids))


def _double_invoice(details: Mapping[str, Any]) -> _Read:
    start_at, end_at = details.get("period_start_at"), details.get("period_end_at")
    when = (
        f" from {moment(start_at)} to {moment(end_at)}"
        if isinstance(start_at, int) and isinstance(end_at, int)
        else ""
    )
    return _Read(
        "Double invoice",
        str(details.get("invoice", "")),
        money(details.get("amount", ""), details.get("currency")),
        (f"Another invoice asks for the same time of the same subscription{when}, and both are due.",),
        f"after {details.get('duplicate_of', '')}, subscription {details.get('subscription', '')}",
    )


def _negative_invoice(details: Mapping[str, Any]) -> _Read:
    currency = details.get("currency")
    said = "The invoice gives money instead of asking for it, and no proration explains that."
    if details.get("reason") == "zero":
        expected = money(details.get("expected", ""), currency)
        said = (
            f"The invoice asks for nothing, though the subscription costs {expected}; no coupon or trial explains "
            "that."
        )
    subscription = details.get("subscription")
    return _Read(
        "Zero invoice" if details.get("reason") == "zero" else "Negative invoice",
        str(details.get("invoice", "")),
        money(details.get("amount", ""), currency),
        (said,),
        f"subscription {subscription}" if subscription else "",
    )


def _too_much(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return what was billed beyond the expected, by currency; less than nothing where too little was."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        try:
            excess = Decimal(str(line.get("amount"))) - Decimal(str(line.get("expected")))
        except InvalidOperation:
            continue
        currency = str(line.get("currency"))
        sums[currency] = sums.get(currency, Decimal(0)) + excess
    return ", ".join(f"{'+' if excess > 0 else ''}{money(excess, each)}" for each, excess in sums.items())


def _line(line: Mapping[str, Any]) -> str:
    currency = line.get("currency")
    wrong = str(line.get("kind", "amount")).replace("_", " ")
    billed, expected = money(line.get("amount", ""), currency), money(line.get("expected", ""), currency)
    return f"Billed {billed} instead of {expected}: the {wrong} is not the subscription's."


def _other(details: Mapping[str, Any]) -> _Read:
    return _Read(
        sentences=tuple(
            f"{name}: {value if isinstance(value, str) else json.dumps(value)}"
            for name, value in details.items()
            if name != "link"
        )
    )


_READ: Mapping[str, Callable[[Mapping[str, Any]], _Read]] = {
    "duplicate_charge": _duplicate_charge,
    "invoice_mismatch": _invoice_mismatch,
    "double_invoice": _double_invoice,
    "negative_invoice": _negative_invoice,
}
