"""Stripe's own verify_header is the reference for what a valid signature is."""

from __future__ import annotations

import hashlib
import hmac
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature

from bw_exporter.webhook import signature
from bw_exporter.webhook.signature import LARGEST_HEADER_CHARACTERS, Verdict
from bw_simulator.sender import sign

NOW = 1_700_000_000
SECRETS = ("whsec_one", "whsec_two", "whsec_three")
BODY = '{"id": "evt_1", "name": "Zoë"}'


def accepts(body: str, header: str, secrets: tuple[str, ...]) -> bool:
    """Whether stripe's library takes the header for one of the secrets; what it raises else is a refusal too."""
    for secret in secrets:
        try:
            if WebhookSignature.verify_header(body, header, secret, tolerance=None):
                return True
        except (SignatureVerificationError, TypeError, ValueError):
            continue
    return False


def digest(secret: str, at: object, body: str = BODY) -> str:
    return hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()


_RIGHT = [f"v1={digest(secret, NOW)}" for secret in SECRETS]
_FIELDS = st.sampled_from(
    [
        f"t={NOW}", f"t= {NOW} ", f"t={NOW}=x", "t=1_700_000_000", f"t=+{NOW}", f"t={NOW + 1}", "t=", "t", "t=x",
        "t=-1", f"t={'9' * 5000}", f" t={NOW}", f"T={NOW}", *_RIGHT, f"{_RIGHT[0]}=x", _RIGHT[0].upper(),
        f" {_RIGHT[0]}", f"{_RIGHT[0]} ", _RIGHT[0][:-1], f"v1={digest(SECRETS[0], NOW + 1)}",
        f"v1={digest('whsec_other', NOW)}", f"v0={digest(SECRETS[0], NOW)}", "v1=é", f"v1={'é' * 64}", "v1", "v1=",
        "=", "", "x=y",
    ]
) | st.text(max_size=12)  # fmt: skip


@settings(max_examples=600, deadline=None, derandomize=bool(os.environ.get("CI")))
@given(st.lists(_FIELDS, max_size=6).map(",".join), st.sets(st.sampled_from(SECRETS)).map(tuple))
@example(f"t={NOW},v1=é,{_RIGHT[0]}", SECRETS)
@example(f"t={NOW},v1,{_RIGHT[0]}", SECRETS)
@example(f"t,t={NOW},{_RIGHT[0]}", SECRETS)
@example(f"t={NOW},{_RIGHT[2]}", SECRETS)
@example(f"t={NOW},{_RIGHT[0]},v1=é", SECRETS)
def test_what_stripe_takes_is_taken_and_nothing_else(header: str, secrets: tuple[str, ...]) -> None:
    found = signature.verify(BODY.encode(), header, secrets, NOW)
    if len(header) > LARGEST_HEADER_CHARACTERS:
        assert found is Verdict.BAD
    else:
        assert (found is not Verdict.BAD) == accepts(BODY, header, secrets)


@pytest.mark.parametrize("length", [LARGEST_HEADER_CHARACTERS, LARGEST_HEADER_CHARACTERS + 1])
def test_a_header_of_four_kib_is_read_and_a_longer_one_is_a_bad_signature(length: int) -> None:
    header = f"{sign(BODY.encode(), SECRETS[0], NOW)},v0="
    header += "0" * (length - len(header))
    found = signature.verify(BODY.encode(), header, SECRETS, NOW)
    assert found is (Verdict.GOOD if length == LARGEST_HEADER_CHARACTERS else Verdict.BAD)


def test_the_signatures_of_a_long_header_are_compared_for_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(WebhookSignature, "verify_header", lambda *given, **_: asked.append(given[1]))
    signature.verify(b"{}", f"t={NOW}" + ",v1=" * 200_000, SECRETS, NOW)
    signature.verify(b"{}", f"t={NOW}" + ",v1=a" * 500, SECRETS, NOW)
    assert asked == []
