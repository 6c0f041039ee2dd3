"""Stripe's webhook signatures: a raw body, a header and the tenant's secrets give a reason, or none."""

from __future__ import annotations

import hashlib
import hmac
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

    Comparison is constant-time (hmac.compare_digest, inside stripe too). Nothing that a stranger can send raises.
    """
    if not header or not any(_signed(body, header, secret) for secret in secrets):
        return Verdict.BAD
    return Verdict.GOOD if abs(now - _signed_at(header)) <= TOLERANCE_SECONDS else Verdict.EXPIRED


def _signed(body: bytes, header: str, secret: str) -> bool:
    try:
        try:
            return bool(WebhookSignature.verify_header(body, header, secret, tolerance=None))
        except UnicodeDecodeError:
            return _signed_bytes(body, header, secret)
    except SignatureVerificationError:
        return False
    except Exception:  # noqa: BLE001 - TypeError and more on odd headers
        return False


def _signed_bytes(body: bytes, header: str, secret: str) -> bool:
    """The same for a body that is no UTF-8, which verify_header cannot read: signed, it is malformed, not forged."""
    fields = _fields(header)
    timestamp = int(next(value for name, value in fields if name == "t"))
    expected = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, value) for name, value in fields if name == "v1")


def _signed_at(header: str) -> float:
    """The first `t`, which is the one that verify_header signed with; only for headers it accepted."""
    try:
        return float(int(next(value for name, value in _fields(header) if name == "t")))
    except OverflowError:
        return float("inf")


def _fields(header: str) -> list[tuple[str, str]]:
    """The header's fields, cut as verify_header cuts them."""
    cut = (field.split("=", 2) for field in header.split(","))
    return [(field[0], field[1]) for field in cut if len(field) > 1]
