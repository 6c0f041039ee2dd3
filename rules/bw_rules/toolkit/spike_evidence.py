"""A spike by evidence: more in one of two windows than chance explains at the tenant's usual rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics.catalog import WEBHOOK_LAG
from bw_rules.toolkit import habit
from bw_rules.toolkit.bars import BARS
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import VALUE, Method, first_of
from bw_rules.toolkit.evidence import MOST_OLD, NATS_OF_TEN, poisson_level, poisson_level_of
from bw_rules.toolkit.promql import Recording, Scope, created, indented

if TYPE_CHECKING:
    from fractions import Fraction

    from bw_rules.toolkit.spike import Spike, SpikeThresholds

_LATELY = 2
"""So many of the longer window's have to be of the shorter one."""
_BUSY_PART = 4
"""Six hours are the fourth part of a day, in which all of a day may come."""
_SAME_HOURS = 3 * HOUR
"""From two hours before this time of the week to one hour after it."""
_ON = "tenant, window"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The method of one spike. The windows are told apart by a label."""

    spike: Spike

    def method(self) -> Method:
        """Return it with its functions."""
        return Method(
            self.recordings,
            self.condition,
            self.threshold,
            self.description,
            lambda t: habit.reach(t.weeks),
            self.cases,
            habits=self.habits,
        )

    def _name(self, what: str) -> str:
        return f"tenant:{self.spike.counted.name}:{what}"

    def _usual(self, t: SpikeThresholds) -> str:
        return self._name("usual") + ("" if t.weeks == t.USUAL_WEEKS else f"_{t.weeks}w")

    def _old_share(self, t: SpikeThresholds) -> str:
        usual = t.old_seconds == t.USUAL_OLD_SECONDS
        return self._name("old_share") + ("" if usual else f"_over{t.old_seconds}s")

    def recordings(self, t: SpikeThresholds, scope: Scope) -> tuple[Recording, ...]:
        """Return what came in each window, and the share of events that were made long before they came."""
        counted = self.spike.counted
        came = ((duration(w), counted.delta(scope, w).expr) for w in self.spike.windows)
        old = ((duration(w), _old_share(scope, w, t.old_seconds)) for w in self.spike.windows)
        return (
            counted.recording(scope),
            counted.lost(scope),
            Recording(self._name("delta"), habit.told_apart("window", came)),
            Recording(self._old_share(t), habit.told_apart("window", old)),
        )

    def habits(self, t: SpikeThresholds, scope: Scope) -> tuple[Recording, ...]:
        """Return what is usual in each window."""
        usual = ((duration(w), self._due(t, scope, w)) for w in self.spike.windows)
        return (Recording(self._usual(t), habit.told_apart("window", usual)),)

    def _due(self, t: SpikeThresholds, scope: Scope, window: int) -> str:
        """Return what is due in a window; in less than a day at least as many as the same hours usually bring."""
        average = self._average(t, scope, window)
        if window >= DAY:
            return average
        hours = habit.second_lowest(
            t.weeks,
            _SAME_HOURS,
            "tenant",
            lambda ago: self.spike.counted.delta(scope, _SAME_HOURS, ago - HOUR).expr,
        )
        parts = habit.told_apart("of", (("average", average), ("same hours", hours)))
        return f"max by (tenant) (\n{indented(parts)}\n)"

    def _average(self, t: SpikeThresholds, scope: Scope, window: int) -> str:
        """What came before the window in the tenant's past or life, and a half, scaled to a window."""

        def over(base: int) -> str:
            lived = f"clamp(time() - {created(scope)} - {window}, {window}, {base - window})"
            before = self.spike.counted.delta(scope, base - window, window, made_good=True).expr
            return f"(1 / 2 + (\n{indented(before)}\n)) * {_scaled_to(window)}\n/ on (tenant)\n{lived}"

        return f"{over(t.weeks * habit.WEEK)}\nor on (tenant)\n{over(habit.WEEK)}"

    def threshold(self, t: SpikeThresholds, scope: Scope) -> Recording:
        """Return the number in each window that would be a spike."""
        parts = []
        for more, (window, bar) in enumerate(zip(self.spike.windows, self._bars(t), strict=True)):
            due = habit.read(_window(scope.beside, self._usual(t), window))
            parts.append(f"clamp_min({poisson_level(due, float(bar))}, {self.spike.least(t) + more})")
        level = "\nor\n".join(parts)
        return Recording(self._name("threshold"), scope.narrowed(f"({level})", self.spike.counted.max_name))

    def condition(self, t: SpikeThresholds, scope: Scope) -> str:
        """Return PromQL for: as many as the level in some window, some of them lately, and few old events."""
        beside, came = scope.beside, self._name("delta")
        level = f"max by ({_ON}) ({habit.read(beside.recorded(self._name('threshold')))})"
        lately = f"{_window(beside, came, self.spike.windows[0])} >= {_LATELY}"
        short, long = (_window(scope, came, window) for window in self.spike.windows)
        return (
            "max by (tenant) (\n"
            f"  ({short} or {long} and on (tenant) ({lately}))\n"
            f"  >= on ({_ON}) {level}\n"
            f"  unless on ({_ON}) ({beside.recorded(self._old_share(t))} > {MOST_OLD})\n)"
        )

    def description(self, t: SpikeThresholds) -> str:
        """Return how many came, how many usually do, and how rare that is by chance."""
        of = "{tenant='%s',window='%s'}"
        level = f"last_over_time({self._name('threshold')}{{tenant='%s'}}[16m])"
        over = f"topk(1, {self._name('delta')}{{tenant='%s'}} / on ({_ON}) {level})"
        came, due = f"{self._name('delta')}{of}", f"last_over_time({self._usual(t)}{of}[16m])"

        def value(query: str, times: int = 1, form: str = 'printf "%.0f"') -> str:
            return first_of(query, *("tenant", "$window") * times, form=form)

        once = value(f"10 ^ floor(({came} * ln({came} / {due}) - {came} + {due}) / {NATS_OF_TEN})", 5)
        return (
            f'{{{{ with printf "{over}" $labels.tenant $labels.tenant | query }}}}'
            "{{ $window := (first .).Labels.window }}"
            f"{value(came)} {self.spike.things} within {{{{ $window }}}}; usually {value(due, form='humanize')}. "
            f"By chance: less than once in {once} times {{{{ $window }}}}."
            f"{{{{ else }}}}{self.spike.things.capitalize()}: {VALUE}.{{{{ end }}}}"
        )

    def cases(self, t: SpikeThresholds) -> tuple[Case, ...]:
        """Return just enough and one too few, with a past, without one and of a new tenant."""
        short, long = self.spike.windows
        bar, long_bar = (float(bar) for bar in self._bars(t))
        base, floor = t.weeks * habit.WEEK, self.spike.least(t)
        before = 8 * t.weeks

        def enough(past: int, lived: int = base, bar: float = bar, window: int = short, more: int = 0) -> int:
            due = (past + 0.5) * _scaled_to(window) / max(lived - window, window)
            return max(floor + more, -int(-poisson_level_of(due, bar) // 1))

        rare, usual, slow = enough(0), enough(before), enough(before, bar=long_bar, window=long, more=1)
        case, half = partial(self._case, t.old_seconds), base // 2
        inside, between = min(HOUR, short // 2), (short + long) // 2
        lately, a_day = min(_LATELY, slow), rare * DAY // _scaled_to(short)
        new = max(enough(0, 2 * short), enough(0, 6 * HOUR))
        found: tuple[Case, ...] = (
            case("as many as are no chance where none is usual", "fires", (inside, rare)),
            case("one less where none is usual", "quiet", (inside, rare - 1)),
            case("as many as are no chance at the usual rate", "fires", (half, before), (inside, usual)),
            case("one less at the usual rate", "quiet", (half, before), (inside, usual - 1)),
            case(
                "as many in the longer window, some of them lately",
                "fires",
                (half, before),
                (between, slow - lately),
                (inside, lately),
            ),
            case(
                "as many in the longer window, none of them lately", "quiet", (half, before), (between, slow)
            ),
        )
        if self.spike.every_case:
            found += self._of_all_spikes(t.old_seconds, rare, inside, half, before, new, a_day)
        if short >= DAY:
            return found
        weeks = tuple((week * habit.WEEK + inside, rare) for week in range(t.weeks, 0, -1))
        return (
            *found,
            case("as many as these hours of the week always bring", "quiet", *weeks, (inside, rare)),
            case(
                "many times what one of the weeks before brought",
                "fires",
                (habit.WEEK + inside, rare),
                (inside, enough(rare)),
            ),
        )

    def _of_all_spikes(
        self, old_seconds: int, rare: int, inside: int, half: int, before: int, new: int, a_day: int
    ) -> tuple[Case, ...]:
        """Return the edges that do not depend on what is counted: replicas, late events, young and restored pasts."""
        case = partial(self._case, old_seconds)
        return (
            case("as many among old events", "quiet", (inside, rare), old=11),
            case("as many, a tenth of the events being old", "fires", (inside, rare), old=10),
            case("as many, told by two replicas", "fires", (inside, rare), replicas=2),
            case("one less, told by two replicas", "quiet", (inside, rare - 1), replicas=2),
            case("an old tenant whose past nobody knows", "quiet", (inside, 10 * rare), since=2 * DAY),
            case(
                "a new tenant with as many as are no chance",
                "fires",
                (inside, new),
                since=6 * HOUR,
                created=6 * HOUR,
            ),
            case(
                "a young tenant with as many as it always has",
                "quiet",
                *((days * DAY, a_day) for days in range(6, 1, -1)),
                (inside, rare),
                since=7 * DAY - HOUR,
                created=7 * DAY - HOUR,
            ),
            case("a store restored from a backup", "quiet", (half, before), (inside, -before)),
        )

    def _case(
        self,
        bound: int,
        name: str,
        outcome: Outcome,
        *rises: tuple[int, int],
        old: int = 0,
        replicas: int = 1,
        since: int = 0,
        created: int = ALWAYS,
    ) -> Case:
        total, steps = 0, []
        for ago, more in rises:
            total += more
            steps.append((ago, total))
        begin: Steps = ((since, 0),) if since else ((ALWAYS, 0),)
        lag, inside = f"{WEBHOOK_LAG.name}_", min(HOUR, self.spike.windows[0] // 2)
        series = [
            Series(
                self.spike.counted.exported, (*begin, *steps), self.spike.counted.series, f"replica-{number}"
            )
            for number in range(replicas)
        ]
        series += [
            Series(f"{lag}count", ((ALWAYS, 0), (inside, 100))),
            Series(f"{lag}bucket", ((ALWAYS, 0), (inside, 100 - old)), f'le="{bound}.0"'),
        ]
        return Case(
            name,
            outcome,
            tuple(series),
            created,
            every=6 * HOUR if self.spike.windows[0] >= DAY else HOUR,
            reach=True,
        )

    def _bars(self, t: SpikeThresholds) -> tuple[Fraction, Fraction]:
        return BARS["counts" if self.spike.windows[0] >= DAY else "bursts"][t.sensitivity]


def _scaled_to(window: int) -> int:
    """Return the seconds that an average is scaled to: a day's may come within six hours of it."""
    return window if window >= DAY else min(_BUSY_PART * window, DAY)


def _old_share(scope: Scope, window: int, seconds: int) -> str:
    """The share of the window's events that were made longer ago than that when they came."""
    count = scope.raw(f"{WEBHOOK_LAG.name}_count")
    bucket = scope.raw(f"{WEBHOOK_LAG.name}_bucket", f'le="{seconds}.0"')

    def rose(series: str) -> str:
        then = f"max by (tenant) (last_over_time({series}[1h] offset {duration(window)}))"
        return f"(max by (tenant) (last_over_time({series}[5m])) - on (tenant) {then})"

    return f"1 - {rose(bucket)} / on (tenant) ({rose(count)} > 0)"


def _window(scope: Scope, name: str, window: int) -> str:
    matchers = (scope.tenants, f'window="{duration(window)}"')
    return f"{name}{{{','.join(part for part in matchers if part)}}}"
