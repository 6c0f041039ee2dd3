"""What Stripe sends when money goes back: refunds, early fraud warnings, disputes and inquiries."""

from __future__ import annotations

from bw_simulator.shop import objects
from bw_simulator.shop.events import changed, event
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json, Shape


def refund(
    ids: Ids, now: int, charge: Json, *, amount: int | None = None, shape: Shape = "new"
) -> tuple[Json, list[Json]]:
    """Return the charge after a refund, and the three events that tell of it."""
    back = objects.refund(ids, charge=charge, created_at=now, amount=amount)
    after = objects.refunded(charge, back["amount"])
    return after, [
        event(ids, "refund.created", back, created_at=now, shape=shape),
        event(
            ids,
            "charge.refunded",
            after,
            created_at=now,
            previous_attributes=changed(charge, after),
            shape=shape,
        ),
        event(
            ids,
            "refund.updated",
            back,
            created_at=now,
            previous_attributes={"destination_details": {}},
            shape=shape,
        ),
    ]


def dispute(
    ids: Ids, now: int, charge: Json, *, reason: str = "fraudulent", shape: Shape = "new"
) -> tuple[Json, list[Json]]:
    """Return a dispute whose amount and fee were taken back at once, and its two events."""
    opened = objects.dispute(ids, charge=charge, created_at=now, reason=reason)
    taken = objects.withdrawn(ids, opened, created_at=now)
    return taken, [
        event(ids, "charge.dispute.created", opened, created_at=now, shape=shape),
        event(ids, "charge.dispute.funds_withdrawn", taken, created_at=now, shape=shape),
    ]


def dispute_end(ids: Ids, now: int, dispute: Json, *, won: bool, shape: Shape = "new") -> list[Json]:
    """Return the events of a verdict; the money comes back when the shop won."""
    closed = {**dispute, "status": "won" if won else "lost"}
    told = [
        event(
            ids,
            "charge.dispute.closed",
            closed,
            created_at=now,
            previous_attributes=changed(dispute, closed),
            shape=shape,
        )
    ]
    if won:
        given = objects.reinstated(ids, closed, created_at=now)
        told.append(event(ids, "charge.dispute.funds_reinstated", given, created_at=now, shape=shape))
    return told


def inquiry(ids: Ids, now: int, charge: Json, *, shape: Shape = "new") -> list[Json]:
    """Return the event of a bank that only asks; no money moves."""
    asked = objects.dispute(
        ids, charge=charge, created_at=now, reason="general", status="warning_needs_response"
    )
    return [event(ids, "charge.dispute.created", asked, created_at=now, shape=shape)]


def early_fraud_warning(ids: Ids, now: int, charge: Json, *, shape: Shape = "new") -> list[Json]:
    """Return the event of the card network's warning about a charge."""
    warning = objects.early_fraud_warning(ids, charge=charge, created_at=now)
    return [event(ids, "radar.early_fraud_warning.created", warning, created_at=now, shape=shape)]
