"""Which thresholds are tried for a tenant's detector: each step is quieter than the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from bw_exporter.config import in_force
from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.promql import HOUR

if TYPE_CHECKING:
    from bw_rules.toolkit.thresholds import Base

Step = Mapping[str, str | int]
"""Keys of a detector and the values to write."""

_SENSITIVITIES = ("high", "normal", "low")
_FACTORS = (2, 4)
_WAITS = (HOUR, 3 * HOUR)


def steps(settings: Base) -> tuple[Step, ...]:
    """Return what is tried beside the thresholds in force, quieter from step to step.

    Less sensitivity first; then with it twice and four times the least number (the first key `min_…`), or, where there
    is none, a longer `for`. A detector that tells of what was found (it has a `hold`) has no such thresholds.
    """
    keys = in_force.keys(settings)
    if "hold" in keys:
        return ()
    found: list[Step] = [{"sensitivity": name} for name in _less_sensitive(settings)]
    base = dict(found[-1]) if found else {}
    unread = settings.unread()
    least = next((key for key in keys if key.startswith("min_") and key not in unread), None)
    more: Iterator[Step]
    if least is not None:
        more = ({**base, least: getattr(settings, least) * factor} for factor in _FACTORS)
    else:
        more = ({**base, "for": duration(wait)} for wait in _WAITS if wait > settings.for_)
    found += [step for step in more if _is_valid(settings, step)]
    return tuple(found)


def _less_sensitive(settings: Base) -> tuple[str, ...]:
    now = getattr(settings, "sensitivity", None)
    return _SENSITIVITIES[_SENSITIVITIES.index(now) + 1 :] if now in _SENSITIVITIES else ()


def _is_valid(settings: Base, step: Step) -> bool:
    try:
        type(settings).model_validate(dict(step))
    except ValidationError:
        return False
    return True
