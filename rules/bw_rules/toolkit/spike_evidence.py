"""A spike by evidence: more in a day, or in three, than chance explains at the tenant's usual rate."""

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
    from bw_rules.toolkit.spike import Spike, SpikeThresholds

WINDOWS = (DAY, 3 * DAY)
_LATELY = 2
"""So many of three days' have to be of the last one."""
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
        came = ((duration(w), counted.delta(scope, w).expr) for w in WINDOWS)
        old = ((duration(w), _old_share(scope, w, t.old_seconds)) for w in WINDOWS)
        return (
            counted.recording(scope),
            counted.lost(scope),
            Recording(self._name("delta"), habit.told_apart("window", came)),
            Recording(self._old_share(t), habit.told_apart("window", old)),
        )

    def habits(self, t: SpikeThresholds, scope: Scope) -> tuple[Recording, ...]:
        """Return what is usual in each window."""
        usual = ((duration(w), self._due(t, scope, w)) for w in WINDOWS)
        return (Recording(self._usual(t), habit.told_apart("window", usual)),)

    def _due(self, t: SpikeThresholds, scope: Scope, window: int) -> str:
        """What came before the window in the tenant's past or life, and a half, scaled to a window."""

        def over(base: int) -> str:
            lived = f"clamp(time() - {created(scope)} - {window}, {window}, {base - window})"
            before = self.spike.counted.delta(scope, base - window, window, made_good=True).expr
            return f"(1 / 2 + (\n{indented(before)}\n)) * {window}\n/ on (tenant)\n{lived}"

        return f"{over(t.weeks * habit.WEEK)}\nor on (tenant)\n{over(habit.WEEK)}"

    def threshold(self, t: SpikeThresholds, scope: Scope) -> Recording:
        """Return the number in each window that would be a spike."""
        parts = []
        for more, (window, bar) in enumerate(zip(WINDOWS, BARS["counts"][t.sensitivity], strict=True)):
            due = habit.read(_window(scope.beside, self._usual(t), window))
            parts.append(f"clamp_min({poisson_level(due, float(bar))}, {self.spike.floor(t) + more})")
        level = "\nor\n".join(parts)
        return Recording(self._name("threshold"), scope.narrowed(f"({level})", self.spike.counted.max_name))

    def condition(self, t: SpikeThresholds, scope: Scope) -> str:
        """Return PromQL for: as many as the level in some window, some of them lately, and few old events."""
        beside, came = scope.beside, self._name("delta")
        level = f"max by ({_ON}) ({habit.read(beside.recorded(self._name('threshold')))})"
        lately = f"{_window(beside, came, DAY)} >= {_LATELY}"
        day, days = (_window(scope, came, window) for window in WINDOWS)
        return (
            "max by (tenant) (\n"
            f"  ({day} or {days} and on (tenant) ({lately}))\n"
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
        short, long = (float(bar) for bar in BARS["counts"][t.sensitivity])
        base, floor = t.weeks * habit.WEEK, self.spike.floor(t)
        before = 8 * t.weeks

        def enough(past: int, lived: int = base, bar: float = short, window: int = DAY, more: int = 0) -> int:
            due = (past + 0.5) * window / max(lived - window, window)
            return max(floor + more, -int(-poisson_level_of(due, bar) // 1))

        rare, usual, slow = enough(0), enough(before), enough(before, bar=long, window=3 * DAY, more=1)
        case, half = partial(self._case, t.old_seconds), base // 2
        lately = min(_LATELY, slow)
        return (
            case("as many as are no chance where none is usual", "fires", (HOUR, rare)),
            case("one less where none is usual", "quiet", (HOUR, rare - 1)),
            case("as many as are no chance at the usual rate", "fires", (half, before), (HOUR, usual)),
            case("one less at the usual rate", "quiet", (half, before), (HOUR, usual - 1)),
            case(
                "as many in three days, some of them lately",
                "fires",
                (half, before),
                (2 * DAY, slow - lately),
                (HOUR, lately),
            ),
            case("as many in three days, none of them lately", "quiet", (half, before), (2 * DAY, slow)),
            case("as many among old events", "quiet", (HOUR, rare), old=11),
            case("as many, a tenth of the events being old", "fires", (HOUR, rare), old=10),
            case("as many, told by two replicas", "fires", (HOUR, rare), replicas=2),
            case("one less, told by two replicas", "quiet", (HOUR, rare - 1), replicas=2),
            case("an old tenant whose past nobody knows", "quiet", (HOUR, 10 * rare), since=2 * DAY),
            case(
                "a new tenant with as many as are no chance",
                "fires",
                (HOUR, enough(0, 2 * DAY)),
                since=6 * HOUR,
                created=6 * HOUR,
            ),
            case(
                "a young tenant with as many as it always has",
                "quiet",
                (6 * DAY, rare),
                (5 * DAY, rare),
                (4 * DAY, rare),
                (3 * DAY, rare),
                (2 * DAY, rare),
                (HOUR, rare),
                since=7 * DAY - HOUR,
                created=7 * DAY - HOUR,
            ),
            case("a store restored from a backup", "quiet", (half, before), (HOUR, -before)),
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
        lag = f"{WEBHOOK_LAG.name}_"
        series = [
            Series(self.spike.metric.name, (*begin, *steps), self.spike.labels, f"replica-{number}")
            for number in range(replicas)
        ]
        series += [
            Series(f"{lag}count", ((ALWAYS, 0), (HOUR, 100))),
            Series(f"{lag}bucket", ((ALWAYS, 0), (HOUR, 100 - old)), f'le="{bound}.0"'),
        ]
        return Case(name, outcome, tuple(series), created, every=6 * HOUR, reach=True)


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
