"""Stripe's webhook signatures: a raw body, a header and the tenant's secrets give a reason, or none."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300
"""How far the signature's time may be from ours, either way; Stripe signs every retry anew."""


class Verdict(Enum):
    """What a signature is; the values are results of billingwatch_webhook_requests_total."""

    GOOD = "good"
    BAD = "bad_signature"
    EXPIRED = "expired_signature"


def verify(body: bytes, header: str | None, secrets: Sequence[str], now: float) -> Verdict:
    """Tell whether one of the secrets signed the body, scheme v1, within the tolerance.

    Comparison is constant-time (hmac.compare_digest inside stripe). Nothing that a stranger can send raises.
    """
    if not header or not any(_signed(body, header, secret) for secret in secrets):
        return Verdict.BAD
    return Verdict.GOOD if abs(now - _signed_at(header)) <= TOLERANCE_SECONDS else Verdict.EXPIRED


def _signed(body: bytes, header: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, header, secret, tolerance=None))
    except SignatureVerificationError:
        return False
    except Exception:  # noqa: BLE001 - verify_header raises TypeError, UnicodeDecodeError and more on odd bytes
        return False


def _signed_at(header: str) -> float:
    """The first `t`, which is the one that verify_header signed with; only for headers it accepted."""
    fields = (field.split("=", 2) for field in header.split(","))
    try:
        return float(int(next(field[1] for field in fields if field[0] == "t")))
    except OverflowError:
        return float("inf")
