"""PromQL over durable counters: integers by subtraction, replicas collapsed, gaps bridged.

`increase()` extrapolates (one increment reads 1.017) and gives different numbers on Prometheus 2 and 3;
the exporter's counters never reset, so the difference of two points is exact on both.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from os.path import commonprefix
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

MINUTE = 60
HOUR = 3600
DAY = 86_400
_WORTH_FACTORING = 24
"""From so many characters saved on, the common beginning of tenants' names stands once."""
_MISSED = 5 * MINUTE
"""So many seconds of missed scrapes, and no alert resolves that would fire anew a minute later."""
_AFTER = 5 * MINUTE
"""A replica scraped later knows more, and if it goes the highest steps back until the next scrape: no loss."""
_RESTORING = 6 * HOUR
"""How long the exporter may be away while its store is restored, for what was lost to be known."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The exporter's job, and the matcher of the tenants one rule is for (empty for all)."""

    job: str
    tenants: str = ""

    def raw(self, name: str, *matchers: str) -> str:
        """Return the selector of an exported series."""
        return f"{name}{{{','.join((self.matchers, *matchers))}}}"

    def latest(self, name: str) -> str:
        """Return PromQL for an exported series, through a missed scrape."""
        return latest(self.raw(name))

    @property
    def matchers(self) -> str:
        """Matchers of exported series: the job's, and the tenants' where there is one."""
        return ",".join(part for part in (f"job={quoted(self.job)}", self.tenants) if part)

    def recorded(self, name: str) -> str:
        """Return the selector of a recorded series."""
        return f"{name}{{{self.tenants}}}" if self.tenants else name

    def narrowed(self, expr: str, name: str) -> str:
        """Return `expr`, made from `beside`, for this scope's tenants alone; `name` is a recorded series of theirs."""
        return expr if self == self.beside else f"{expr}\nand on (tenant)\n{self.recorded(name)}"

    @property
    def beside(self) -> Scope:
        """The scope of operands that are joined to one of this scope.

        A matcher of some tenants stands on each, or every override would cost as much as all tenants do; one
        that leaves some out stands once, as it saves nothing and may be long.
        """
        return self.everyone if self.tenants.startswith(("tenant!=", "tenant!~")) else self

    @property
    def everyone(self) -> Scope:
        """The same for all tenants."""
        return Scope(self.job)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule; `labels` are static ones."""

    name: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Counter:
    """A durable counter as the rules see it: one series per `by`, the highest of all replicas.

    `latest` is its PromQL with `$job` for the scope's matchers. `bridge` is how long a gap in the scrapes may be
    (seconds). With `young_from_zero` a tenant younger than a window had 0 at its start; without it a past
    nobody knows gives no result, so that revenue is never compared with an invented zero. `exported` is the family's
    name, `series` the labels of one series of it beside the tenant's, from which cases are made.
    """

    name: str
    latest: str
    by: tuple[str, ...] = ("tenant",)
    bridge: int = HOUR
    young_from_zero: bool = True
    exported: str = ""
    series: str = ""

    @property
    def max_name(self) -> str:
        """Name of the recorded counter."""
        return f"tenant:{self.name}:max"

    def delta_name(self, window: int, offset: int = 0) -> str:
        """Name of the recorded difference over `window` seconds that ended `offset` seconds ago."""
        return f"tenant:{self.name}:delta{duration(window)}" + (
            f"_offset{duration(offset)}" if offset else ""
        )

    @property
    def lost_name(self) -> str:
        """Name of the recorded loss."""
        return f"tenant:{self.name}:lost"

    def threshold_name(self, window: int) -> str:
        """Name of the recorded level at which the difference over `window` would fire."""
        return f"tenant:{self.name}:threshold{duration(window)}"

    def recording(self, scope: Scope) -> Recording:
        """Return the rule that records the counter itself, for all thresholds."""
        return Recording(self.max_name, self.latest.replace("$job", scope.matchers))

    def lost(self, scope: Scope) -> Recording:
        """Return the rule that records how much an older store (a restored backup) lacks, in its first minutes alone.

        While nothing is lost there is no series, so windows that look for losses cost next to nothing.
        """
        now = scope.recorded(self.max_name)
        before = f"last_over_time({now}[{duration(_RESTORING)}] offset {duration(_AFTER)})"
        return Recording(self.lost_name, f"(\n  {before}\n  - on ({', '.join(self.by)})\n  {now}\n) > 0")

    def delta(self, scope: Scope, window: int, offset: int = 0, *, made_good: bool = False) -> Recording:
        """Return the rule that records how much came in (now - offset - window, now - offset].

        Where the store was restored within that time, this is too little by what the older store lacks. That can
        only keep an alert about too much quiet; where too little would raise one, it is to be `made_good`, by what
        `lost` recorded, of which the largest of several losses counts.
        """
        start = self._at(scope, offset + window)
        now = latest(scope.recorded(self.max_name))
        end = self._at(scope, offset) if offset else now
        on = ", ".join(self.by)
        if made_good:
            when = f"[{duration(window)}]" + (f" offset {duration(offset)}" if offset else "")
            lost = f"max_over_time({scope.recorded(self.lost_name)}{when})"
            end += f"\n+ on ({on})\n({lost} or on ({on}) 0 * {now})"
        difference = f"{end}\n- on ({on})\n{start}"
        if self.young_from_zero and offset:
            # A past that went back by an unknown loss is no past to compare with, and above all not one of 0.
            difference = f"(\n{indented(difference)}\n) >= 0"
        elif self.young_from_zero:
            difference = f"clamp_min(\n{indented(difference)},\n  0\n)"
        return Recording(self.delta_name(window, offset), difference)

    def _at(self, scope: Scope, ago: int) -> str:
        recorded = scope.recorded(self.max_name)
        past = f"last_over_time({recorded}[{duration(self.bridge)}] offset {duration(ago)})"
        if not self.young_from_zero:
            return past
        young = f"{created(scope.everyone)} > time() - {ago}"
        return f"(\n  {past}\n  or on (tenant)\n  (0 * {latest(recorded)} and on (tenant) ({young}))\n)"


def counter(
    family: Family,
    *,
    summed: str = "",
    where: str = "",
    by: tuple[str, ...] = ("tenant",),
    bridge: int = HOUR,
    young_from_zero: bool = True,
    name: str = "",
) -> Counter:
    """Return the counter of a catalogued family.

    `summed` is a label to add over, after the replicas are collapsed; `where` is a further matcher; `name`
    stands in the recorded names instead of the family's.
    """
    selector = f"{family.name}{{$job{',' if where else ''}{where}}}"
    grouped = ", ".join(by)
    latest = f"max by ({grouped}) ({selector})"
    if summed:
        latest = f"sum by ({grouped}) (max by ({grouped}, {summed}) ({selector}))"
    short = name or family.name.removesuffix("_total")
    said = [f'{label.name}="{label.initial[0]}"' for label in family.labels if f"{label.name}=" not in where]
    series = ",".join(part for part in (where, *said) if part)
    return Counter(short, latest, by, bridge, young_from_zero, family.name, series)


def tenants_matcher(ids: Iterable[str], *, negative: bool = False) -> str:
    """Return the matcher of these tenants, or of all others; empty for no tenants.

    Where many begin alike, the beginning stands once. Prometheus reads both forms as the same regular expression.

    >>> tenants_matcher(["shop-at", "shop-be", "shop-ch", "shop-de", "shop-es", "shop-fr"])
    'tenant=~"shop-(at|be|ch|de|es|fr)"'
    """
    ids = list(ids)
    if not ids:
        return ""
    if len(ids) == 1:
        return f"tenant{'!=' if negative else '='}{quoted(ids[0])}"
    start = commonprefix(ids)  # noqa: RUF071 - names, not paths
    if len(start) * (len(ids) - 1) < _WORTH_FACTORING:
        start = ""
    rest = "|".join(name.removeprefix(start) for name in ids)
    return f"tenant{'!~' if negative else '=~'}{quoted(f'{start}({rest})' if start else rest)}"


def created(scope: Scope) -> str:
    """Return PromQL for when each tenant was first known."""
    return f"max by (tenant) ({scope.latest(catalog.TENANT_CREATED.name)})"


_YOUNG = re.compile(r"\s*or on \(tenant\)\s*(?=\(0 \* )")
_YOUNGER_THAN = re.compile(
    r"and on \(tenant\) \(max by \(tenant\) \(last_over_time\("
    + catalog.TENANT_CREATED.name
    + r"\{[^}]*\}\[5m\]\)\) > time\(\) - (\d+)\)\)$"
)
_PARENTHESIS_OR_TEXT = re.compile(r'[()]|"(?:[^"\\]|\\.)*"')


def for_tenants_older_than(expr: str, seconds: int) -> str:
    """Return an expression without what it says of younger tenants, which costs as much as all the rest of it."""
    place = 0
    while found := _YOUNG.search(expr, place):
        end = _closing(expr, found.end())
        age = _YOUNGER_THAN.search(expr[found.end() : end])
        if age is not None and int(age[1]) <= seconds:
            expr, place = expr[: found.start()] + expr[end:], found.start()
        else:
            place = found.end()
    return expr


def _closing(text: str, place: int) -> int:
    """Return the place after the parenthesis that closes the one at `place`."""
    depth = 0
    for found in _PARENTHESIS_OR_TEXT.finditer(text, place):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    raise ValueError(f"a parenthesis is not closed: {text}")


def latest(series: str) -> str:
    """Return PromQL for a series as it is, or was before scrapes were missed."""
    return f"last_over_time({series}[{duration(_MISSED)}])"


def quoted(text: str) -> str:
    """Return a PromQL string."""
    return json.dumps(text, ensure_ascii=False)


def times(factor: int, vector: str) -> str:
    """Return `factor * vector`, or the vector alone."""
    return vector if factor == 1 else f"{factor} * {vector}"


def scaled(
    left: str, comparison: str, factor: Fraction | Decimal | int, right: str, on: str = "tenant"
) -> str:
    """Return `left comparison factor * right` in whole numbers alone, which no rounding can tip."""
    exact = Fraction(factor)
    return f"{times(exact.denominator, left)} {comparison} on ({on}) {times(exact.numerator, right)}"


def indented(text: str, by: int = 2) -> str:
    """Return the text with each line moved to the right."""
    return "\n".join(" " * by + line for line in text.splitlines())
