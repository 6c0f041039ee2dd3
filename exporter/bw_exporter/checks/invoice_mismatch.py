"""Invoice mismatch: a finalised invoice's lines against the subscription as its own events showed it.

The check abstains rather than cries wolf: what is not remembered is not judged, and what looks wrong waits
for a grace in which the event that explains it may still arrive.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson

from bw_exporter.checks.check import load, save, stripe_link
from bw_exporter.checks.invoice_lines import Price, Verdict, Version, judge
from bw_exporter.config.check_settings import InvoiceMismatchSettings, in_force
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.invoices import InvoiceLine, InvoiceSeen
from bw_exporter.facts.subscriptions import ENDED_STATUSES, Item, SubscriptionSeen
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change, RaiseTo
from bw_exporter.store.declared import DeferredOf, Read, StatesOf
from bw_exporter.store.protocol import FOREVER, DeferredCheck, Finding, Transaction
from bw_exporter.store.retention import ENDED_SUBSCRIPTION_SECONDS, LEDGER_SECONDS
from bw_exporter.store.state_json import encoded

NAME = "invoice_mismatch"
DETAILS = ("invoice", "subscription", "lines", "link")
FACTS = (InvoiceSeen, SubscriptionSeen)

PLAN = "plan"
"""The kind under which a subscription's versions are remembered."""

_JUDGED = "judged"
_VERSIONS = 16
_FINAL_STATUSES = ("open", "paid", "uncollectible")
_NOT_APPLICABLE = ("subscription_threshold", "automatic_pending_invoice_item_invoice", "upcoming")
_SAID_AT_ONCE = ("only_prorations", "no_line", "lines_truncated")
"""Abstentions that no event of the subscription could change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The last versions of a subscription, oldest first; `evicted` where older ones were let go."""

    versions: list[dict[str, Any]] = field(default_factory=list)
    evicted: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """That an invoice has its verdict, or a deferred check."""

    begun: bool = False


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the invoice, and its subscription with the checks that were deferred for it."""
    if isinstance(fact, InvoiceSeen):
        if fact.status not in (*_FINAL_STATUSES, "void"):
            return
        yield StatesOf(tenant.id, fact.invoice)
    if isinstance(fact, (InvoiceSeen, SubscriptionSeen)) and fact.subscription:
        yield StatesOf(tenant.id, fact.subscription)
        if isinstance(fact, SubscriptionSeen) or fact.status == "void":
            yield DeferredOf(tenant.id, NAME, fact.subscription)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Judge an invoice when it is first seen final; resolve its deferred checks when its subscription changes."""
    if isinstance(fact, InvoiceSeen):
        _invoice(fact, tx, tenant, now)
    elif isinstance(fact, SubscriptionSeen):
        _remember(fact, tx, tenant.id, now)
        for deferred in tx.deferred(tenant.id, NAME, fact.subscription):
            case = _Case.of(deferred.state)
            verdict = case.verdict(tx, tenant.id)
            if verdict.verdict == "ok" and tx.drop(deferred):
                _count(verdict, tx, tenant.id, now)


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Give the verdict; defer it by one more grace if nothing newer than the invoice was received since."""
    case = _Case.of(deferred.state)
    verdict, invoice = case.verdict(tx, deferred.tenant), case.invoice
    stale = not tx.saw_event_since(deferred.tenant, invoice.event_at, besides=invoice.event)
    if verdict.verdict != "ok" and stale and case.graces == 1:
        again = replace(case, graces=2)
        tx.defer(replace(deferred, due_at=now + case.grace_seconds, state=encoded(again)))
        return None
    _count(verdict, tx, deferred.tenant, now)
    return _finding(verdict, invoice, deferred.tenant, now) if verdict.verdict == "mismatch" else None


def _invoice(invoice: InvoiceSeen, tx: Transaction, tenant: Tenant, now: int) -> None:
    if invoice.status not in (*_FINAL_STATUSES, "void"):
        return
    if invoice.status == "void" and invoice.subscription:
        for deferred in tx.deferred(tenant.id, NAME, invoice.subscription):
            if deferred.key == invoice.invoice:
                tx.drop(deferred)
    if load(Judged, tx, tenant.id, _JUDGED, invoice.invoice).begun:
        return
    save(Judged(begun=True), tx, tenant.id, _JUDGED, invoice.invoice, now + LEDGER_SECONDS)
    if invoice.status == "void":
        return
    if invoice.subscription is None or invoice.billing_reason in _NOT_APPLICABLE or invoice.revision:
        tx.change(tenant.id, (Add(catalog.INVOICE_CHECKS, ("not_applicable",)),))
        return
    settings = in_force(tenant.detectors, NAME, InvoiceMismatchSettings)
    case = _Case(invoice, tolerance=settings.tolerance, grace_seconds=settings.grace)
    verdict = case.verdict(tx, tenant.id)
    if verdict.verdict != "ok" and verdict.reason not in _SAID_AT_ONCE:
        due_at = now + case.grace_seconds
        tx.defer(DeferredCheck(tenant.id, NAME, invoice.invoice, invoice.subscription, due_at, encoded(case)))
    else:
        _count(verdict, tx, tenant.id, now)


def _count(verdict: Verdict, tx: Transaction, tenant: str, now: int) -> None:
    changes: list[Change] = [Add(catalog.INVOICE_CHECKS, (verdict.verdict,))]
    if verdict.verdict == "abstained":
        changes.append(Add(catalog.INVOICE_ABSTENTIONS, (verdict.reason,)))
    if verdict.verdict == "mismatch":
        changes.append(RaiseTo(catalog.LAST_MISMATCH, now))
    tx.change(tenant, changes)


def _finding(verdict: Verdict, invoice: InvoiceSeen, tenant: str, now: int) -> Finding:
    details = {
        "invoice": invoice.invoice,
        "subscription": invoice.subscription,
        "lines": [asdict(line) for line in verdict.lines],
        "link": stripe_link("invoices", invoice.invoice, livemode=invoice.livemode),
    }
    return Finding(now, tenant, NAME, details)


def _remember(seen: SubscriptionSeen, tx: Transaction, tenant: str, now: int) -> None:
    plan = load(Plan, tx, tenant, PLAN, seen.subscription)
    version = Version(
        order=seen.order,
        first=seen.first,
        ended=seen.status in ENDED_STATUSES,
        trial_end_at=seen.trial_end_at,
        test_clock=seen.test_clock,
        items=_prices(seen.items),
        pending_items=_prices(seen.pending_items),
    )
    versions = [Version.of(raw) for raw in plan.versions]
    insort(versions, version, key=lambda each: each.order)
    kept = [each for index, each in enumerate(versions) if not _inside_a_run(versions, index)]
    following = Plan([*map(_raw, kept[-_VERSIONS:])], plan.evicted or len(kept) > _VERSIONS)
    keep_until = now + ENDED_SUBSCRIPTION_SECONDS if kept[-1].ended else FOREVER
    save(following, tx, tenant, PLAN, seen.subscription, keep_until)


def _inside_a_run(versions: list[Version], index: int) -> bool:
    """Whether both neighbours say the same; the ends of a run are kept, since a late version may split it."""
    if index in (0, len(versions) - 1):
        return False
    return _content(versions[index - 1]) == _content(versions[index]) == _content(versions[index + 1])


def _content(version: Version) -> Version:
    return replace(version, order=(0, 0), first=False)


def _raw(version: Version) -> dict[str, Any]:
    raw: dict[str, Any] = orjson.loads(encoded(version))
    return raw


def _prices(items: tuple[Item, ...]) -> dict[str, Price]:
    return {
        item.id: Price(
            currency=item.currency,
            unit_amount=None if item.unit_amount is None else str(item.unit_amount),
            quantity=item.quantity,
            metered=item.metered,
            tiered=item.tiered,
            trial=item.trial,
            divide_by=item.divide_by,
            round_up=item.round_up,
            interval=item.interval,
            interval_count=item.interval_count,
        )
        for item in items
    }


@dataclass(frozen=True, slots=True)
class _Case:
    """An invoice to be judged, with the settings it is judged by."""

    invoice: InvoiceSeen
    tolerance: int
    grace_seconds: int
    graces: int = 1

    @classmethod
    def of(cls, state: bytes) -> _Case:
        """Rebuild it from its JSON; what a newer version knows of it is left out."""
        raw = _known(cls, orjson.loads(state))
        invoice = _known(InvoiceSeen, raw.pop("invoice"))
        lines = tuple(_line(line) for line in invoice.pop("lines"))
        return cls(invoice=InvoiceSeen(**invoice, lines=lines), **raw)

    def verdict(self, tx: Transaction, tenant: str) -> Verdict:
        plan = load(Plan, tx, tenant, PLAN, self.invoice.subscription or "")
        versions = [Version.of(raw) for raw in plan.versions]
        return judge(self.invoice, versions, self.tolerance, evicted=plan.evicted)


def _known(state: type[_Case | InvoiceSeen | InvoiceLine], raw: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name in state.__dataclass_fields__}


def _line(raw: dict[str, Any]) -> InvoiceLine:
    raw = _known(InvoiceLine, raw)
    unit_amount = raw.pop("unit_amount")
    return InvoiceLine(**raw, unit_amount=None if unit_amount is None else Decimal(unit_amount))
