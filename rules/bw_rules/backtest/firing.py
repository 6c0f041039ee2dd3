"""When an alert fires, from when its condition holds: `for` and `keep_firing_for`, as Prometheus applies them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Episode:
    """An alert fires from `begin_at` on and no longer at `end_at` (Unix seconds)."""

    begin_at: int
    end_at: int


def episodes(
    moments: Iterable[int], step: int, *, for_: int = 0, keep_firing_for: int = 0, until_at: int
) -> list[Episode]:
    """Return when an alert fires whose condition holds at `moments` (in order, multiples of `step`).

    Evaluations are `step` seconds apart, the last of them before `until_at`.

    >>> episodes([0, 60, 120, 300], 60, for_=60, until_at=600)
    [Episode(begin_at=60, end_at=180)]
    >>> episodes([0, 60, 120, 300], 60, for_=60, keep_firing_for=180, until_at=600)
    [Episode(begin_at=60, end_at=540)]
    """
    found: list[Episode] = []
    pending_since: int | None = None
    firing_since: int | None = None
    last = 0
    for moment in moments:
        if pending_since is not None and moment - last > step:
            gone_at = last + step  # the first evaluation at which the condition is gone
            kept_until = gone_at + -(-keep_firing_for // step) * step
            if firing_since is None or moment > kept_until:
                if firing_since is not None:
                    found.append(Episode(firing_since, kept_until))
                pending_since = firing_since = None
        if pending_since is None:
            pending_since = moment
        if firing_since is None and moment - pending_since >= for_:
            firing_since = moment
        last = moment
    if firing_since is not None:
        kept_until = last + step + -(-keep_firing_for // step) * step
        found.append(Episode(firing_since, min(kept_until, until_at)))
    return found
