"""Time zones by their IANA names, from the time zone database of the system or of the package tzdata.

The database is the system's where there is one, so that its updates are enough when a country changes its clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,3}")
_NOT_FOUND = (ZoneInfoNotFoundError, OSError, ValueError)
"""A folder of zones (`America`) is an OSError in some versions of Python, a file of another kind a ValueError."""


def zone(name: str) -> tzinfo:
    """Return the time zone of that name; `UTC` needs no database.

    Raises ValueError, whose text says what to write instead.
    """
    if name == "UTC":
        return UTC
    try:
        if _NAME.fullmatch(name):
            return ZoneInfo(name)
    except _NOT_FOUND:
        if not available_timezones():
            raise ValueError(
                "cannot be looked up: there is no time zone database; install the system's package tzdata,"
                " or `pip install tzdata`"
            ) from None
    raise ValueError("is no time zone; write an IANA name, as in Europe/Berlin")


def utc_offset_seconds(name: str, at: float) -> int:
    """Return how far the zone's clock is ahead of UTC at a moment, daylight saving time included.

    >>> utc_offset_seconds("Europe/Berlin", 1_767_225_600), utc_offset_seconds("Europe/Berlin", 1_782_864_000)
    (3600, 7200)
    """
    offset = datetime.fromtimestamp(at, zone(name)).utcoffset()
    return int(offset.total_seconds()) if offset else 0
