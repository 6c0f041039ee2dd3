"""Ids that look like Stripe's and are the same again for the same seed.

Those of events begin with `evt_sim`, by which the exporter tells made-up events from Stripe's.
"""

from __future__ import annotations

import hashlib

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 24
_MADE_UP = {"evt": "evt_sim"}


class Ids:
    """A source of unique ids; two sources with the same seed give the same ids in the same order."""

    def __init__(self, seed: object = 0) -> None:
        """`seed` may be anything with a stable text, such as a number or a tenant's id."""
        self._seed = str(seed)
        self._given = 0

    def new(self, prefix: str) -> str:
        """Return the next id of a kind.

        >>> Ids().new("ch")
        'ch_AOndKATy1VS3j5U9bDXcDrQY'
        >>> Ids().new("evt")
        'evt_simdKATy1VS3j5U9bDXcDrQY'
        """
        self._given += 1
        begin = _MADE_UP.get(prefix, f"{prefix}_")
        return begin + _text(f"{self._seed}/{self._given}")[len(begin) - len(prefix) - 1 :]

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
