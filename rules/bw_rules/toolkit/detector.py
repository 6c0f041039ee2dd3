"""What a detector is: thresholds, recordings, condition, words and cases, all in its one file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_rules.toolkit.cases import Case
    from bw_rules.toolkit.panel import Panel
    from bw_rules.toolkit.promql import Recording, Scope


@dataclass(frozen=True, slots=True)
class Runbook:
    """The page an alert links to; each part is Markdown."""

    meaning: str
    impact: str
    first: str
    tune: str


def _none(t: Any, scope: Scope) -> tuple[Recording, ...]:  # noqa: ANN401, ARG001 - no recording
    return ()


def _for(t: Any) -> int:  # noqa: ANN401 - any detector's thresholds
    return int(t.for_)


@dataclass(frozen=True, slots=True)
class Method:
    """One way of judging, by evidence or by thresholds alone; the functions are those of a Detector."""

    recordings: Callable[[Any, Scope], tuple[Recording, ...]]
    condition: Callable[[Any, Scope], str]
    threshold: Callable[[Any, Scope], Recording]
    description: Callable[[Any], str]
    reach: Callable[[Any], int]
    cases: Callable[[Any], tuple[Case, ...]]
    habits: Callable[[Any, Scope], tuple[Recording, ...]] = _none
    drawn: Callable[[Any, Scope], tuple[Recording, ...]] = _none


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of billing trouble. The functions take the detector's own Thresholds.

    `recordings` are shared by all tenants and differ only by windows; `condition` and `threshold` are made
    once for each distinct set of thresholds, for the tenants of the scope. `threshold` is the level at which
    it would fire, in the unit of the value. `reach` is how far back its rules look, in seconds. `labels` survive the
    condition and may stand in annotations. `findings` says that the exporter lists what it found. Without a `panel`
    a dashboard draws the threshold and what was counted, under the summary. `habits` are recorded every five minutes
    in a group of their own, and with them the levels that follow from them: what was usual hours and weeks ago.
    Where the level depends on what is counted now, what it is made of is `drawn`: recorded with it every five minutes
    after all else, for dashboards alone. `rule_for` is how many seconds Prometheus waits while the condition holds: the
    thresholds' `for`, unless the condition itself applies that to a part of what it judges.
    """

    alert: str
    summary: str
    recordings: Callable[[Any, Scope], tuple[Recording, ...]]
    condition: Callable[[Any, Scope], str]
    threshold: Callable[[Any, Scope], Recording]
    description: Callable[[Any], str]
    reach: Callable[[Any], int]
    runbook: Runbook
    cases: Callable[[Any], tuple[Case, ...]]
    labels: tuple[str, ...] = ("tenant",)
    findings: bool = False
    panel: Panel | None = None
    habits: Callable[[Any, Scope], tuple[Recording, ...]] = field(default=_none)
    drawn: Callable[[Any, Scope], tuple[Recording, ...]] = field(default=_none)
    rule_for: Callable[[Any], int] = _for


def judged_by(
    method: Callable[[Any], Method],
    *,
    alert: str,
    summary: str,
    runbook: Runbook,
    panel: Panel,
    labels: tuple[str, ...] = ("tenant",),
    rule_for: Callable[[Any], int] = _for,
) -> Detector:
    """Return a detector whose thresholds choose the method by which it judges."""
    return Detector(
        alert=alert,
        summary=summary,
        recordings=lambda t, scope: method(t).recordings(t, scope),
        condition=lambda t, scope: method(t).condition(t, scope),
        threshold=lambda t, scope: method(t).threshold(t, scope),
        description=lambda t: method(t).description(t),
        reach=lambda t: method(t).reach(t),
        runbook=runbook,
        cases=lambda t: method(t).cases(t),
        labels=labels,
        panel=panel,
        habits=lambda t, scope: method(t).habits(t, scope),
        drawn=lambda t, scope: method(t).drawn(t, scope),
        rule_for=rule_for,
    )


VALUE = '{{ $value | printf "%.0f" }}'
"""The alert's value as a whole number; by itself a million would read 1e+06."""


def first_of(query: str, *labels: str, form: str = 'printf "%.0f"') -> str:
    """Return a template that prints the first value of a query, or `unknown` where it has none.

    `query` holds one %s for each of `labels`, names of labels or `$variables`; `form` is the function of the
    template that writes the number.
    """
    names = " ".join(label if label.startswith("$") else f"$labels.{label}" for label in labels)
    text = query.replace('"', '\\"')
    return (
        f'{{{{ with printf "{text}" {names} | query }}}}{{{{ . | first | value | {form} }}}}'
        "{{ else }}unknown{{ end }}"
    )


MONEY = (
    '{{ $money := "%.2f" }}'
    "{{ range printf \"max(billing_currency_minor_units{currency='%s'})\" $labels.currency | query }}"
    '{{ if eq (value .) 1.0 }}{{ $money = "%.0f" }}{{ else if eq (value .) 1000.0 }}{{ $money = "%.3f" }}{{ end }}'
    "{{ end }}"
)
"""Sets `$money` to the form in which the alert's currency is written: as many decimals as it has minor units."""
