"""Times, amounts and shares as the pages write them: UTC, whole units, never rounded to look better."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from bw_exporter.metrics.money import MINOR_UNITS, OTHER

_KIB = 1024
_LAST_YEAR = 9999


def ago(at: int, now: int) -> str:
    """Return how long ago a moment was, in one unit."""
    return f"{span(max(now - at, 0))} ago"


def span(seconds: int) -> str:
    """Return a length of time in its largest unit, rounded down."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(at: int) -> str:
    """Return a moment for people, to the second."""
    return _utc(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def timestamp(at: int) -> str:
    """Return a moment for `<time datetime>`."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: int) -> str:
    """Return a whole number with its thousands set apart."""
    return f"{value:,}"


def percent(part: int, whole: int) -> str:
    """Return a share to a tenth of a percent, rounded down, so that 100.0% means all of it."""
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10}%"


def size(octets: int) -> str:
    """Return a size in its largest unit."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if octets >= _KIB**power:
            return f"{Decimal(octets) / _KIB**power:.1f} {unit}"
    return f"{octets} bytes"


def money(amount: object, currency: object) -> str:
    """Return minor units (an integer, or a decimal's text) in whole units, exact to the last digit given.

    Of a currency that is not listed nobody knows the whole unit, so its minor units are shown.
    """
    try:
        minor = Decimal(str(amount))
    except InvalidOperation:
        return str(amount)
    units = MINOR_UNITS.get(str(currency))
    if units is None or currency == OTHER or not minor.is_finite():
        return f"{amount} minor units"
    places = len(str(units)) - 1
    exponent = minor.as_tuple().exponent
    fraction = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{minor.scaleb(-places):,.{places + fraction}f} {str(currency).upper()}"


def _utc(at: int) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(_LAST_YEAR, 12, 31, tzinfo=UTC)
