"""How sure it is that a number is no chance: log-likelihoods in nats as PromQL, and the counts that are enough.

A window of which the evidence is `n` nats comes by chance less than once in e^n windows (Chernoff's bound). All forms
are finite at a count of 0, at a share of 0 and of 1, and where nothing was tried.
"""

from __future__ import annotations

from math import exp, log, sqrt

NATS_OF_TEN = "2.302585"
"""The natural logarithm of 10: PromQL's `ln` takes a vector and no number."""

MOST_OLD = "1 / 10"
"""Above this share of events that were made long before they were counted, a window says nothing of now."""


def binomial(failed: str, tried: str, share: str, on: str) -> str:
    """Return PromQL for the evidence that `failed` of `tried` is more than the usual `share` (a vector in 0…1)."""
    rest = f"clamp_min({tried} - on ({on}) {failed}, 0)"
    return (
        f"{failed} * ln(clamp_min({failed}, 0.1) / on ({on}) clamp_min({tried} * on ({on}) {share}, 0.001))\n"
        f"+ on ({on}) {rest} * ln(clamp_min({rest}, 0.1)"
        f" / on ({on}) clamp_min({tried} * on ({on}) (1 - {share}), 0.001))"
    )


def binomial_of(failed: float, tried: float, share: float) -> float:
    """Return the evidence as a number.

    >>> round(binomial_of(10, 30, 0.05), 2)
    11.89
    """
    rest = max(tried - failed, 0)
    return failed * log(max(failed, 0.1) / max(tried * share, 0.001)) + rest * log(
        max(rest, 0.1) / max(tried * (1 - share), 0.001)
    )


def poisson_of(count: float, due: float) -> float:
    """Return the evidence that `count` is not what is due, as a number.

    >>> round(poisson_of(5, 0.3), 1)
    9.4
    """
    return count * log(count / due) - count + due


def poisson_level(due: str, bar: float) -> str:
    """Return PromQL for the count above `due` whose evidence is the bar.

    Two steps of Newton's method from Bernstein's bound. On a convex function they end at the count or just above it.
    """
    root = f"{sqrt(2 * bar):.6f}"
    start = f"({due} + {root} * sqrt({due}) + {bar / 3:.6f})"
    once = f"(({start} - {due} + {bar:g}) / ln({start} / {due}))"
    return f"({once} - {due} + {bar:g}) / ln({once} / {due})"


def poisson_level_of(due: float, bar: float) -> float:
    """Return what `poisson_level` gives, as a number.

    >>> 4 < poisson_level_of(0.3, 7) < 5
    True
    """
    level = due + sqrt(2 * bar * due) + bar / 3
    for _ in range(2):
        level = (level - due + bar) / log(level / due)
    return level


def once_in(nats: float) -> float:
    """Return in how many windows chance alone shows so much evidence at most once."""
    return exp(nats)
