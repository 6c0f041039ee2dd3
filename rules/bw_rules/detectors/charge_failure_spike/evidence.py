"""Failed payments by evidence: more than chance explains at the tenant's usual share, and than in the same hours.

The windows are told apart by a label, so that one rule records all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.charge_failure_spike.counters import (
    ATTEMPTS,
    CHECKOUT_ATTEMPTS,
    CHECKOUT_FAILURES,
    EVENTS,
    FAILURES,
    INVOICED,
    OLD,
)
from bw_rules.detectors.charge_failure_spike.evidence_cases import cases
from bw_rules.toolkit import habit
from bw_rules.toolkit.bars import ALL_FAIL_PCT, BARS, LIFT, MIN_LONG
from bw_rules.toolkit.detector import VALUE, Method, first_of
from bw_rules.toolkit.evidence import MOST_OLD, NATS_OF_TEN, binomial
from bw_rules.toolkit.promql import DAY, HOUR, Counter, Recording, Scope, indented, scaled, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_rules.detectors.charge_failure_spike import Thresholds

FAILED = f"tenant:{FAILURES.name}:delta"
TRIED = f"tenant:{ATTEMPTS.name}:delta"
OLD_SHARE = "tenant:billing_failure_windows:old_share"
EVIDENCE = f"tenant:{FAILURES.name}:evidence"
LEVEL = f"tenant:{FAILURES.name}:threshold"
_ON = "tenant, window"
_SHORT, _LONG = (HOUR, 6 * HOUR), (DAY, 3 * DAY)
_OF_INVOICES = "6h of invoices"


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of the habits of so many weeks."""

    suffix: str

    @property
    def share(self) -> str:
        return f"tenant:{FAILURES.name}:usual_share{self.suffix}"

    @property
    def shares(self) -> str:
        return f"tenant:{FAILURES.name}:share{self.suffix}"

    @property
    def times(self) -> str:
        return f"tenant:{FAILURES.name}:times_same_hours"

    @property
    def unjudged(self) -> str:
        return f"tenant:{ATTEMPTS.name}:unjudged1h{self.suffix}"

    @property
    def deviations(self) -> str:
        return f"tenant:{FAILURES.name}:same_hours_root"

    @property
    def due(self) -> str:
        return f"tenant:{FAILURES.name}:due{self.suffix}"

    def enough(self, sensitivity: str, step: str = "") -> str:
        return f"tenant:{FAILURES.name}:enough_{sensitivity}{step}{self.suffix}"

    def needed(self, t: Thresholds) -> str:
        multiplier = str(t.multiplier).replace(".", "_")
        return f"tenant:{FAILURES.name}:needed_{t.sensitivity}_x{multiplier}{self.suffix}"

    @property
    def same_hours(self) -> str:
        return f"tenant:{FAILURES.name}:same_hours"

    @property
    def peak(self) -> str:
        return f"tenant:{INVOICED.name}:peak1d"

    @property
    def most(self) -> str:
        return f"tenant:{INVOICED.name}:most6h{self.suffix}"

    @property
    def daily(self) -> str:
        return f"tenant:{INVOICED.name}:mean1d{self.suffix}"


def _names(t: Thresholds) -> _Names:
    return _Names("" if t.weeks == t.USUAL_WEEKS else f"_{t.weeks}w")


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return what failed and was tried in each window, and the evidence that it is more than usual."""
    counted = (FAILURES, ATTEMPTS, INVOICED, CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS)
    windows = (*_SHORT, *_LONG)
    failed = [(duration(w), CHECKOUT_FAILURES.delta(scope, w).expr) for w in windows]
    tried = [(duration(w), CHECKOUT_ATTEMPTS.delta(scope, w, made_good=True).expr) for w in windows]
    invoiced = INVOICED.delta(scope, 6 * HOUR)
    names = _names(t)
    all_failed, all_tried = (
        FAILURES.delta(scope, 6 * HOUR).expr,
        ATTEMPTS.delta(scope, 6 * HOUR, made_good=True).expr,
    )
    return (
        *(one.recording(scope) for one in (*counted, EVENTS, OLD)),
        *(one.lost(scope) for one in (FAILURES, ATTEMPTS, CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS)),
        invoiced,
        Recording(
            FAILED,
            habit.told_apart("window", (*failed, (_OF_INVOICES, _on_invoices(names, scope, all_failed)))),
        ),
        Recording(TRIED, habit.told_apart("window", (*tried, (_OF_INVOICES, all_tried)))),
        Recording(OLD_SHARE, habit.told_apart("window", _old(scope))),
        Recording(EVIDENCE + names.suffix, _evidence(names, scope)),
        Recording(names.times, _times(names, scope)),
        Recording(names.unjudged, _unjudged(names, scope)),
    )


def _old(scope: Scope) -> list[tuple[str, str]]:
    """The share of events that were made long before they came, in each window."""
    found = []
    for name, window in [*((duration(w), w) for w in (*_SHORT, *_LONG)), (_OF_INVOICES, 6 * HOUR)]:
        seen = f"clamp_min(\n{indented(EVENTS.delta(scope, window).expr)},\n  1\n)"
        found.append((name, f"{OLD.delta(scope, window).expr}\n/ on (tenant)\n{seen}"))
    return found


def _on_invoices(names: _Names, scope: Scope, all_failed: str) -> str:
    """All failures of six hours, where most are on invoices and more of those failed than in any six hours of the past.

    A tenant that bills every day needs no such comparison, and one whose past is unknown has none.
    """
    failed = scope.recorded(INVOICED.delta_name(6 * HOUR))
    most = habit.read(scope.recorded(names.most))
    daily = habit.read(scope.recorded(names.daily))
    return (
        f"(\n{indented(all_failed)}\n)\n"
        f"and on (tenant) (\n  2 * {failed} >= on (tenant) (\n{indented(all_failed, 4)}\n  )\n)\n"
        "and on (tenant) (\n"
        f"  ({failed} >= on (tenant) 2 * {most})\n"
        f"  or on (tenant) ({failed} >= on (tenant) {most} + 3 * sqrt({most} + 1))\n"
        f"  or on (tenant) ({failed} and on (tenant) ({most} <= on (tenant) 6 * {daily} + 3))\n"
        f"  or on (tenant) ({failed} unless on (tenant) {most})\n"
        ")"
    )


def _evidence(names: _Names, scope: Scope) -> str:
    """The evidence of each window in which enough failed, which few tenants have at a time."""
    failed = f"({scope.recorded(FAILED)} >= {MIN_LONG})"
    tried = f"({scope.recorded(TRIED)} > 0)"
    share = habit.read(scope.recorded(names.share))
    lifted = scaled(failed, ">=", LIFT, f"{tried} * on ({_ON}) {share}", _ON)
    long = f'window=~"{"|".join(duration(w) for w in _LONG)}"'
    some = f"100 * {_narrowed(scope, FAILED, long)} < on ({_ON}) {ALL_FAIL_PCT} * {_narrowed(scope, TRIED, long)}"
    return (
        f"(\n{indented(binomial(failed, tried, share, _ON))}\n)\n"
        f"and on ({_ON}) ({lifted})\n"
        f"unless on ({_ON}) ({some})\n"
        f"unless on ({_ON}) ({scope.recorded(OLD_SHARE)} > {MOST_OLD})"
    )


def _times(names: _Names, scope: Scope) -> str:
    """How many times the same hours: without bound where it is three deviations above them."""
    failed, hours = f"({scope.recorded(FAILED)} >= {MIN_LONG})", habit.read(scope.recorded(names.same_hours))
    far = f"{failed} >= on ({_ON}) {hours} + 3 * sqrt({hours} + 1)"
    return f"(1000000 + 0 * ({far}))\nor on ({_ON})\n({failed} / on ({_ON}) clamp_min({hours}, 1 / 1000000))"


def _unjudged(names: _Names, scope: Scope) -> str:
    """Attempts of the hour, of tenants whose usual share of failures nobody knows."""
    hour = f'window="{duration(HOUR)}"'
    return (
        f"sum by (tenant) (\n  {_narrowed(scope, TRIED, hour)}\n"
        f"  unless on (tenant) {habit.read(_narrowed(scope, names.share, hour))}\n"
        f"  unless on (tenant) ({_narrowed(scope, OLD_SHARE, hour)} > {MOST_OLD})\n)"
    )


def habits(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return the usual share of failures, the most of the same hours, and what usually fails on invoices."""
    names, past = _names(t), t.weeks * habit.WEEK
    shares = (
        ("short", _share(CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS, scope, past, 6 * HOUR)),
        ("long", _share(CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS, scope, past, 3 * DAY)),
        ("invoices", _share(FAILURES, ATTEMPTS, scope, past, 6 * HOUR)),
    )
    of = [*((duration(w), 'of="short"') for w in _SHORT), *((duration(w), 'of="long"') for w in _LONG)]
    usual = [
        (window, f"sum by (tenant) ({habit.read(_narrowed(scope, names.shares, which))})")
        for window, which in (*of, (_OF_INVOICES, 'of="invoices"'))
    ]
    hours = [(duration(w), _same_hours(CHECKOUT_FAILURES, scope, w)) for w in (*_SHORT, *_LONG)]
    hours.append((_OF_INVOICES, _same_hours(FAILURES, scope, 6 * HOUR)))
    six_hours = INVOICED.delta_name(6 * HOUR)
    before = INVOICED.delta(scope, past - 6 * HOUR, 6 * HOUR).expr
    return (
        Recording(names.shares, habit.told_apart("of", shares)),
        Recording(names.share, habit.told_apart("window", usual)),
        Recording(names.same_hours, habit.told_apart("window", hours)),
        Recording(names.peak, f"max_over_time({scope.recorded(six_hours)}[1d])"),
        Recording(
            names.most,
            f"max_over_time({scope.recorded(names.peak)}[{duration(past - DAY)}:1d] offset 6h)",
        ),
        Recording(names.daily, f"(\n{indented(before)}\n) / {past // DAY}"),
    )


def drawn(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return the failures that have enough evidence at the present number of attempts, for dashboards alone.

    Newton's method on the evidence from Bernstein's bound, two steps. On a convex function they end at the number or
    just above it. What is left of the attempts stays above 0.
    """
    names = _names(t)
    usual = habit.read(scope.recorded(names.share))
    hours = habit.read(scope.recorded(names.same_hours))
    found = [
        Recording(names.due, f"({scope.recorded(TRIED)} > 0) * on ({_ON}) {usual}"),
        Recording(names.deviations, f"{hours} + 3 * sqrt({hours} + 1)"),
    ]
    tried, due = scope.recorded(TRIED), habit.read(scope.recorded(names.due))
    short, long = BARS["failures"][t.sensitivity]
    long_windows = "|".join(duration(w) for w in _LONG)
    bars = (("!~", short), ("=~", long))

    def by_bar(one: Callable[[str, str, Fraction], str]) -> str:
        of = [(f'window{sign}"{long_windows}"', bar) for sign, bar in bars]
        return "\nor\n".join(one(_narrowed(scope, TRIED, window), window, bar) for window, bar in of)

    def start(tried: str, window: str, bar: Fraction) -> str:
        due = habit.read(_narrowed(scope, names.due, window))
        far = f"{due} + sqrt({2 * bar} * {due}) + {bar} / 3"
        return f"clamp_min({tried} - on ({_ON}) ({far}), 1 / 10)"

    found.append(Recording(names.enough(t.sensitivity, "_start"), by_bar(start)))
    for before, now in (("_start", "_once"), ("_once", "")):
        left = habit.read(scope.recorded(names.enough(t.sensitivity, before)))
        if before == "_once":
            left = f"clamp_min({tried} - on ({_ON}) {left}, 1 / 10)"
        ratio = f"ln({left} / on ({_ON}) ({tried} - on ({_ON}) {due}))"
        slope = f"(ln(({tried} - on ({_ON}) {left}) / on ({_ON}) {due}) - on ({_ON}) {ratio})"

        def step(tried: str, window: str, bar: Fraction, ratio: str = ratio, slope: str = slope) -> str:
            del window
            return f"({bar} - {tried} * on ({_ON}) {ratio})\n/ on ({_ON})\n{slope}"

        found.append(Recording(names.enough(t.sensitivity, now), by_bar(step)))
    root = habit.read(scope.recorded(names.deviations))
    parts = habit.told_apart(
        "of",
        (
            ("evidence", habit.read(scope.recorded(names.enough(t.sensitivity)))),
            ("hours", f"{t.multiplier} * {hours} < on ({_ON}) {root} or {root}"),
        ),
    )
    found.append(Recording(names.needed(t), f"max by ({_ON}) (\n{indented(parts)}\n)"))
    return tuple(found)


def _share(failed: Counter, tried: Counter, scope: Scope, past: int, leave: int) -> str:
    """The share of attempts that usually fail, with 20 more of which one failed; the last `leave` seconds left out."""

    def over(base: int) -> str:
        some = failed.delta(scope, base - leave, leave, made_good=True).expr
        of = tried.delta(scope, base - leave, leave, made_good=True).expr
        return f"(1 + (\n{indented(some)}\n))\n/ on (tenant)\n(20 + (\n{indented(of)}\n))"

    either = f"{over(past)}\nor on (tenant)\n{over(habit.WEEK)}"
    return f"clamp(\n{indented(either)},\n  1 / 1000, 9 / 10\n)"


def _same_hours(failed: Counter, scope: Scope, window: int) -> str:
    """The most failures of the same hours one and two days (or windows) and a week ago; 0 where nothing is known."""
    step = max(DAY, window)
    parts = habit.told_apart(
        "ago",
        ((duration(ago), failed.delta(scope, window, ago).expr) for ago in (step, 2 * step, habit.WEEK)),
    )
    return f"max by (tenant) (\n{indented(parts)}\n)\nor on (tenant)\n0 * {scope.recorded(failed.max_name)}"


def _bars(t: Thresholds) -> tuple[tuple[str, int, Fraction], ...]:
    """(matcher of windows, least number, evidence) of the short and of the long windows."""
    short, long = BARS["failures"][t.sensitivity]
    windows = "|".join((*(duration(w) for w in _SHORT), _OF_INVOICES))
    return (
        (f'window=~"{windows}"', t.min_failures, short),
        (f'window=~"{"|".join(duration(w) for w in _LONG)}"', MIN_LONG, long),
    )


def _narrowed(scope: Scope, name: str, window: str) -> str:
    return f"{name}{{{','.join(part for part in (scope.tenants, window) if part)}}}"


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: enough failed in some window, with enough evidence, and more than in the same hours."""
    names, beside = _names(t), scope.beside
    arms = []
    for window, least, bar in _bars(t):
        failed = _narrowed(scope, FAILED, window)
        evident = (
            f"{times(bar.denominator, _narrowed(beside, EVIDENCE + names.suffix, window))} >= {bar.numerator}"
        )
        multiplier = Fraction(t.multiplier)
        multiple = times(multiplier.denominator, _narrowed(beside, names.times, window))
        arms.append(
            f"(\n  {failed} >= {least}\n"
            f"  and on ({_ON}) ({evident})\n"
            f"  and on ({_ON}) ({multiple} >= {multiplier.numerator})\n)"
        )
    failed = _narrowed(scope, FAILED, f'window="{duration(HOUR)}"')
    tried = beside.recorded(names.unjudged)
    share = scaled(failed, ">=", Fraction(t.failure_pct) / 100, f"({tried} >= {t.min_attempts})")
    arms.append(f"(\n  {failed} >= 1\n  and on (tenant) ({share})\n)")
    return "max by (tenant) (\n" + "\n  or\n".join(indented(arm) for arm in arms) + "\n)"


def _levels(t: Thresholds, scope: Scope) -> str:
    """The number of failures with enough evidence, at least the least, the lift, and more than in the same hours."""
    needed = _names(t).needed(t)
    return "\nor\n".join(
        f"clamp_min({habit.read(_narrowed(scope.beside, needed, window))}, {least})"
        for window, least, _ in _bars(t)
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return the number of failures in each window that would be a spike."""
    level = _levels(t, scope)
    return Recording(LEVEL, scope.narrowed(f"({level})", FAILURES.max_name))


def description(t: Thresholds) -> str:
    """Return how many failed of how many, how many usually do, and how rare that is by chance."""
    names = _names(t)
    best = f"topk(1, {EVIDENCE}{names.suffix}{{tenant='%s'}})"
    of = "{tenant='%s',window='%s'}"

    def value(query: str, form: str = 'printf "%.0f"') -> str:
        return first_of(query, "$labels.tenant", "$window", form=form)

    once = value(f"10 ^ floor({EVIDENCE}{names.suffix}{of} / {NATS_OF_TEN})")
    usual = value(f"100 * last_over_time({names.share}{of}[16m])")
    return (
        f'{{{{ with printf "{best}" $labels.tenant | query }}}}{{{{ $window := (first .).Labels.window }}}}'
        f"{value(FAILED + of)} of {value(TRIED + of)} payments failed within {{{{ $window }}}}; usually {usual} % "
        f"fail. By chance: less than once in {once} times {{{{ $window }}}}.{{{{ else }}}}Payments that failed "
        f"within 1h: {VALUE}, at least {t.failure_pct} % of the attempts. How many "
        "usually fail is not known yet.{{ end }}"
    )


METHOD = Method(
    recordings,
    condition,
    threshold,
    description,
    lambda t: habit.reach(t.weeks),
    cases,
    habits=habits,
    drawn=drawn,
)
