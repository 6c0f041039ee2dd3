"""Typed reads from decoded JSON: missing and null are None, a present value of another type is malformed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Json = Mapping[str, Any]

LARGEST_INTEGER = 2**53 - 1
"""Beyond any amount or time of Stripe's, and the largest that a sample in Prometheus, a double, tells exactly.

The store sums in 64 bits, where 1024 of these fit.
"""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}")
_LONGEST_DECIMAL = 40


class UnidentifiedError(Exception):
    """An object came without its id, so that nothing of it can be counted once."""


class MalformedError(Exception):
    """A field is present with a type Stripe does not give it; the text names the field, never its value."""


def text(source: Json, key: str) -> str | None:
    """Return a string field."""
    value = source.get(key)
    if value is None or isinstance(value, str):
        return value
    raise MalformedError(f"{key} is no string")


def token(source: Json, key: str) -> str | None:
    """Return a string field that will be remembered: as it is where Stripe could have sent it, else its hash."""
    value = text(source, key)
    return value if not value else _bounded(value)


def integer(source: Json, key: str) -> int | None:
    """Return an integer field; booleans and floats are malformed, and so is what no Stripe amount reaches."""
    value = source.get(key)
    if value is None:
        return None
    if type(value) is not int or not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise MalformedError(f"{key} is no integer in range")
    return value


def natural(source: Json, key: str) -> int | None:
    """Return an integer field that cannot be negative, such as an amount a counter will grow by."""
    value = integer(source, key)
    if value is not None and value < 0:
        raise MalformedError(f"{key} is negative")
    return value


def boolean(source: Json, key: str) -> bool | None:
    """Return a boolean field."""
    value = source.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise MalformedError(f"{key} is no boolean")


def mapping(source: Json, key: str) -> Json:
    """Return an object field; an empty mapping where it is missing or null."""
    value = source.get(key)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise MalformedError(f"{key} is no object")


def expanded(source: Json, key: str) -> Json:
    """Return an object that Stripe may leave as its id; an empty mapping where it did, or left it out."""
    return {} if isinstance(source.get(key), str) else mapping(source, key)


def listing(source: Json, key: str) -> list[Json]:
    """Return the objects of an array field, or of a Stripe list's `data`; empty where it is missing or null."""
    value = source.get(key)
    if isinstance(value, dict):
        value = value.get("data")
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise MalformedError(f"{key} is no list of objects")


def identifier(source: Json, key: str) -> str | None:
    """Return the id in a field that Stripe may expand: the string itself, or the `id` of the object there."""
    value = source.get(key)
    if isinstance(value, dict):
        value = value.get("id")
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return _bounded(value)
    raise MalformedError(f"{key} is no id")


def own_id(source: Json) -> str:
    """Return the object's `id`; raises UnidentifiedError where it is missing or null."""
    value = identifier(source, "id")
    if value is None:
        raise UnidentifiedError
    return value


def decimal(source: Json, key: str) -> Decimal | None:
    """Return a decimal string field (`unit_amount_decimal`), or an integer there."""
    value = source.get(key)
    if value is None:
        return None
    if type(value) is int or (isinstance(value, str) and len(value) <= _LONGEST_DECIMAL):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        # An exponent such as 1e-999999999 is a number that costs gigabytes as a fraction.
        if (
            number.is_finite()
            and abs(number) <= LARGEST_INTEGER
            and abs(number.adjusted()) <= _LONGEST_DECIMAL
        ):
            return number
    raise MalformedError(f"{key} is no decimal")


def _bounded(value: str) -> str:
    """Return a string as it is where Stripe could have sent it, else its hash.

    What is remembered gets into the store, into findings and from there into spreadsheets and log lines: no string
    of a stranger's length, alphabet (some databases refuse NUL and surrogates) or meaning (`=…` is a formula,
    `a=b` a field) gets there.
    """
    if _ID.fullmatch(value):
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
