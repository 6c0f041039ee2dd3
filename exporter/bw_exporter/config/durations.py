"""Prometheus durations (`1h30m`, `7d`, `0`) as whole seconds, and back."""

from __future__ import annotations

import re

_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _UNITS))

_LONGEST_SECONDS = 292 * 31_536_000
"""Prometheus keeps a duration as 64-bit nanoseconds."""


def parse(text: str) -> int:
    """Return the seconds that a Prometheus duration means.

    Units go from large to small, each at most once, as Prometheus' own parser wants them; `0` alone needs
    no unit. Milliseconds are refused: nothing here is finer than a second. Raises ValueError, whose text
    says what to write instead and never repeats the input.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("write a Prometheus duration: whole numbers with y, w, d, h, m or s, as in 1h30m")
    seconds = sum(int(number) * _UNITS[unit] for unit, number in match.groupdict(default="0").items())
    if seconds > _LONGEST_SECONDS:
        raise ValueError("is longer than Prometheus reckons with; at most 292y")
    return seconds


def render(seconds: int) -> str:
    """Return the duration as people write it: `300` is `5m`, `90` is `90s`, `604800` is `7d`.

    The largest of d, h, m, s that divides it without rest; never two units, so that the text is also a
    good part of a recorded metric's name.
    """
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s" if seconds else "0s"
