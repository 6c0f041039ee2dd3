"""Stripe's webhook signatures: a raw body, a header and the tenant's secrets give a reason, or none."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import Enum
from itertools import takewhile

from stripe import SignatureVerificationError, WebhookSignature

LARGEST_HEADER_CHARACTERS = 4096
"""Stripe sends 75 for each secret of an endpoint that is being rolled, at most two."""

TOLERANCE_SECONDS = 300
"""How far the signature's time may be from ours, either way; Stripe signs every retry anew."""


_DIGITS = 2 * hashlib.sha256().digest_size


class Verdict(Enum):
    """What a signature is; the values are results of billingwatch_webhook_requests_total."""

    GOOD = "good"
    BAD = "bad_signature"
    EXPIRED = "expired_signature"


def verify(body: bytes, header: str | None, secrets: Sequence[str], now: float) -> Verdict:
    """Return whether one of the secrets signed the body, scheme v1, within the tolerance.

    A header is valid where stripe's WebhookSignature.verify_header takes it for one of the secrets; one of more than
    LARGEST_HEADER_CHARACTERS never is. Comparison is constant-time (hmac.compare_digest, inside stripe too). No
    request makes it raise.
    """
    if not header or len(header) > LARGEST_HEADER_CHARACTERS:
        return Verdict.BAD
    timestamp, signatures = _parse(header)
    if not signatures:
        return Verdict.BAD
    try:
        text = body.decode()
    except UnicodeDecodeError:
        signed = any(_signed_bytes(body, timestamp, signatures, secret) for secret in secrets)
    else:
        short = f"t={timestamp}," + ",".join([f"v1={one}" for one in signatures])
        signed = any(_signed(text, short, secret) for secret in secrets)
    if not signed:
        return Verdict.BAD
    return Verdict.GOOD if abs(now - _seconds(timestamp)) <= TOLERANCE_SECONDS else Verdict.EXPIRED


def _parse(header: str) -> tuple[int, list[str]]:
    """Return the header's first time and the signatures that could be right, cut as verify_header cuts them.

    There are none where it would find no time. It compares one signature after the other and fails at the first
    that is no ASCII. One that is not as long as a SHA-256 in hexadecimal digits is compared for nothing.
    """
    fields = [field.split("=", 2) for field in header.split(",")]
    try:
        timestamp = int([field[1] for field in fields if field[0] == "t"][0])  # noqa: RUF015 - each needs a value
        signatures = [field[1] for field in fields if field[0] == "v1"]
    except (IndexError, ValueError):
        return 0, []
    return timestamp, [one for one in takewhile(str.isascii, signatures) if len(one) == _DIGITS]


def _signed(text: str, header: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except SignatureVerificationError:
        return False


def _signed_bytes(body: bytes, timestamp: int, signatures: list[str], secret: str) -> bool:
    """The same for a body that is no UTF-8, which verify_header cannot read: signed, it is malformed, not forged."""
    expected = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, one) for one in signatures)


def _seconds(timestamp: int) -> float:
    try:
        return float(timestamp)
    except OverflowError:
        return float("inf")
