"""The seven detectors as the rules see them: the recorded value, the level at which it fires, and when it fired."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards import frame, panels
from boards.panels import Lines
from boards.parts import DATASOURCE, Query
from boards.queries import CURRENCY, FIRING, ONE, recorded, silence, whole_units
from bw_exporter.metrics.catalog import WEBHOOK_LAG
from bw_rules.detectors import (
    DETECTORS,
    THRESHOLDS,
    charge_failure_spike,
    duplicate_charge,
    fraud_spike,
    invoice_mismatch,
    revenue_drop,
    silent_lapse,
)
from bw_rules.toolkit.promql import Counter, Scope

_LATE = f"{WEBHOOK_LAG.name}_late"
OFF = "Off for this tenant, or no rules loaded"


@dataclass(frozen=True)
class Drawn:
    """One detector's panel: `value` and `threshold` are PromQL in the same unit, `labels` what its alert is about."""

    detector: str
    title: str
    description: str
    unit: str
    value: str
    threshold: str
    fires: str
    labels: tuple[str, ...] = (ONE,)
    axis: str = ""

    @property
    def alert(self) -> str:
        """Name of the detector's alert."""
        return DETECTORS[self.detector].alert

    def panel(self) -> Lines:
        """Return the panel; the threshold is the dashed line."""
        panel = panels.lines(
            self.title,
            self.description,
            self.unit,
            Query(self.value, "now"),
            Query(self.threshold, self.fires),
            label=self.axis,
        )
        panels.dashed(panel, "B", "red")
        return panel.no_value(OFF).links([panels.runbook(self.alert)])

    def annotation(self, panel_id: int) -> Builder[model.AnnotationQuery]:
        """Return the marks of when its alert fired, on its own panel alone."""
        labels = ",".join((f'alertname="{self.alert}"', FIRING, *self.labels))
        mark = _Mark(name=self.alert, datasource=DATASOURCE, enable=True, hide=True, icon_color="red")
        mark.expr = f"ALERTS{{{labels}}}"
        mark.filter_val = model.AnnotationPanelFilter(exclude=False, ids=[panel_id])
        return _Built(mark)


def _of(counter: Counter, window: str, *more: str) -> tuple[str, str]:
    """Return (value, threshold) of a counter; which window is the tenant's own, a hidden variable knows."""
    value = f"tenant:{counter.name}:delta${{{window}}}"
    return recorded(value, ONE, *more), recorded(f"tenant:{counter.name}:threshold${{{window}}}", ONE, *more)


_FAILURES = _of(charge_failure_spike.FAILURES, "failure_window")
_DUPLICATES = _of(duplicate_charge.FOUND, "duplicate_hold")
_DISPUTES = _of(fraud_spike.DISPUTES, "dispute_window")
_REVENUE = _of(revenue_drop.REVENUE, "revenue_window", CURRENCY)
_REVENUE_WITHOUT_PAST = (
    f'{{__name__=~"tenant:{revenue_drop.REVENUE.name}:delta[^_]+",{ONE},{CURRENCY}}}\n'
    f'unless on (tenant) {{__name__=~"tenant:{revenue_drop.REVENUE.name}:threshold.+",{ONE}}}'
)
"""A tenant's first eight days: revenue has no threshold yet, so no window is known to be the tenant's own."""
_MISMATCHES = _of(invoice_mismatch.FOUND, "mismatch_hold")

_DRAWN = (
    Drawn(
        "charge_failure_spike",
        "Failed charges within ${failure_window}",
        "Charges that failed, against the level that a spike takes: a multiple of the tenant's own past, or a share "
        "of its attempts. Normal: well below the dashed line.",
        "short",
        *_FAILURES,
        "fires from",
    ),
    Drawn(
        "duplicate_charge",
        "Duplicate charges within ${duplicate_hold}",
        "The same amount taken again from the same payer, and not given back. Normal: zero. Which charges: "
        "bw-exporter findings --tenant $tenant.",
        "short",
        *_DUPLICATES,
        "fires from",
    ),
    Drawn(
        "fraud_spike",
        "Disputes within ${dispute_window}",
        "Disputes opened, against a multiple of the tenant's average. Normal: none or a few, below the dashed line.",
        "short",
        *_DISPUTES,
        "fires from",
    ),
    Drawn(
        "revenue_drop",
        "Revenue of the window, $currency",
        "Gross revenue of the tenant's window (usually a day) in whole units of the currency, against the share of "
        "its usual level that is a drop. Normal: above the dashed line, about twice as high. The dashed line begins "
        "when Prometheus knows eight days.",
        "locale",
        whole_units(f"max by (tenant, currency) (\n{_REVENUE[0]}\nor\n({_REVENUE_WITHOUT_PAST})\n)"),
        whole_units(_REVENUE[1]),
        "fires at or below",
        (ONE, CURRENCY),
        "$currency",
    ),
    Drawn(
        "silent_lapse",
        "Silence",
        "Time since the last validly signed event, or since the tenant was set up. Normal: a sawtooth of minutes, "
        "longer at night, below the dashed line.",
        "s",
        silence(ONE),
        recorded(silent_lapse.THRESHOLD, ONE),
        "fires above",
    ),
    Drawn(
        "webhook_lag",
        "Events over ${lag_limit} late within ${lag_window}",
        "First deliveries that took longer than the limit. Normal: zero; after an outage Stripe repeats what was "
        "missed, and this ends by itself.",
        "short",
        recorded(f"tenant:{_LATE}${{lag_limit}}:delta${{lag_window}}", ONE),
        recorded(f"tenant:{_LATE}${{lag_limit}}:threshold${{lag_window}}", ONE),
        "fires from",
    ),
    Drawn(
        "invoice_mismatch",
        "Invoice mismatches within ${mismatch_hold}",
        "Invoices that ask for another amount than their subscription says. Normal: zero. Which invoices: "
        "bw-exporter findings --tenant $tenant.",
        "short",
        *_MISMATCHES,
        "fires from",
    ),
)
"""In the order in which an incident is usually read."""


def drawn() -> tuple[Drawn, ...]:
    """Return every detector's panel: those above, then those that no words were found for yet, by name."""
    written = {one.detector for one in _DRAWN}
    return (*_DRAWN, *(_plain(name) for name in DETECTORS if name not in written))


def _plain(name: str) -> Drawn:
    """A detector's panel from what it says of itself: its summary, and its threshold's recorded name."""
    detector = DETECTORS[name]
    level = detector.threshold(THRESHOLDS[name](), Scope("")).name
    series, _, _ = level.partition(":threshold")
    labels = (ONE, CURRENCY) if "currency" in detector.labels else (ONE,)
    return Drawn(
        name,
        detector.summary.rstrip("."),
        f"{detector.summary} Normal: below the dashed line.",
        "short",
        recorded("", f'__name__=~"{series}:delta[^_]+"', *labels),
        recorded("", f'__name__=~"{series}:threshold.*"', *labels),
        "fires from",
        labels,
    )


def variables() -> tuple[dashboard.QueryVariable, ...]:
    """Return the hidden variables: a tenant's windows and limits, read from its recorded thresholds' names."""
    return (
        _window("failure_window", charge_failure_spike.FAILURES.name),
        _window("duplicate_hold", duplicate_charge.FOUND.name),
        _window("dispute_window", fraud_spike.DISPUTES.name),
        _window("revenue_window", revenue_drop.REVENUE.name),
        _window("lag_limit", f"{_LATE}.+", "/_late(.+):/"),
        _window("lag_window", f"{_LATE}.+"),
        _window("mismatch_hold", invoice_mismatch.FOUND.name),
    )


def _window(name: str, counter: str, regex: str = "/:threshold(.+)/") -> dashboard.QueryVariable:
    series = f'{{__name__=~"tenant:{counter}:threshold.+",{ONE}}}'
    return frame.hidden(name, f"label_values({series}, __name__)", regex)


class _Mark(model.AnnotationQuery):
    """An annotation with what Grafana's Prometheus reads beside the schema: the step and the text."""

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "step": "60s",
            "titleFormat": "{{alertname}}",
            "textFormat": "{{severity}}",
        }


@dataclass(frozen=True)
class _Built(Builder[model.AnnotationQuery]):
    """A finished annotation as the builder that a dashboard takes."""

    mark: _Mark

    def build(self) -> model.AnnotationQuery:
        return self.mark
