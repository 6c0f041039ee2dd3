"""Ids that look like Stripe's and are the same again for the same seed."""

from __future__ import annotations

import hashlib

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 24


class Ids:
    """A source of unique ids; two sources with the same seed give the same ids in the same order."""

    def __init__(self, seed: object = 0) -> None:
        """`seed` may be anything with a stable text, such as a number or a tenant's id."""
        self._seed = str(seed)
        self._given = 0

    def new(self, prefix: str) -> str:
        """Return the next id, such as `ch_3f…` for the prefix `ch`."""
        self._given += 1
        return f"{prefix}_{_text(f'{self._seed}/{self._given}')}"

    def fingerprint(self) -> str:
        """Return the next card or account fingerprint, 16 characters."""
        self._given += 1
        return _text(f"{self._seed}/{self._given}")[:16]


def _text(source: str) -> str:
    number = int.from_bytes(hashlib.sha256(source.encode()).digest(), "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
