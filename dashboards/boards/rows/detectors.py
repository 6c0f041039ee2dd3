"""The detectors as the rules see them: the recorded value, the level at which it fires, and when it fired."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards.toolkit import panels
from boards.toolkit.panels import Lines
from boards.toolkit.parts import DATASOURCE, Query
from boards.toolkit.queries import CURRENCY, FIRING, ONE, recorded, whole_units
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Scope

OFF = "Off for this tenant, or no rules loaded"
_MONEY = "money"


@dataclass(frozen=True)
class Drawn:
    """One detector and its panel."""

    detector: str
    drawn: Panel

    @property
    def alert(self) -> str:
        """Name of the detector's alert."""
        return DETECTORS[self.detector].alert

    @property
    def off_until_asked_for(self) -> bool:
        """Whether most tenants have nothing to draw."""
        return self.detector in OFF_UNTIL_ASKED_FOR

    @property
    def _of(self) -> tuple[str, ...]:
        """Matchers of what its alert is about."""
        return (ONE, CURRENCY) if "currency" in DETECTORS[self.detector].labels else (ONE,)

    def panel(self) -> Lines:
        """Return the panel; the level is the dashed line. Where there are several windows, each has its own pair."""
        money = self.drawn.unit == _MONEY
        value, level = self._series(self.drawn.value), self._series(self.drawn.level)
        if self.drawn.placeholders and not money:
            value = f"{value}\nand on (tenant, window)\n{level}"
        of = ", {{window}}" if self.drawn.placeholders else ""
        panel = panels.lines(
            self.drawn.title + (", $currency" if money else ""),
            self.drawn.description,
            "locale" if money else self.drawn.unit,
            Query(whole_units(value) if money else value, f"now{of}"),
            Query(whole_units(level) if money else level, f"{self.drawn.fires}{of}"),
            label="$currency" if money else "",
        )
        panels.dashed(panel, "B", "red")
        return panel.no_value(OFF).links([panels.runbook(self.alert)])

    def _series(self, name: str) -> str:
        """The series of the name, with what stands for its placeholders in the label `window`."""
        if not self.drawn.placeholders:
            return recorded(name, *self._of)
        maybe = self.drawn.filled(name, lambda _: "([^_]+)?")
        surely = self.drawn.filled(name, lambda _: "([^_]+)")
        numbers = ", ".join(f"${number}" for number in range(1, len(self.drawn.placeholders) + 1))
        series = recorded("", f'__name__=~"{maybe}"', *self._of)
        return f'label_replace(\n  {series},\n  "window", "{numbers}", "__name__", "{surely}"\n)'

    def annotation(self, panel_id: int) -> Builder[model.AnnotationQuery]:
        """Return the marks of when its alert fired, on its own panel alone."""
        labels = ",".join((f'alertname="{self.alert}"', FIRING, *self._of))
        mark = _Mark(name=self.alert, datasource=DATASOURCE, enable=True, hide=True, icon_color="red")
        mark.expr = f"ALERTS{{{labels}}}"
        mark.filter_val = model.AnnotationPanelFilter(exclude=False, ids=[panel_id])
        return _Built(mark)


def drawn() -> tuple[Drawn, ...]:
    """Return every detector's panel, by the detector's name."""
    return tuple(Drawn(name, one.panel or _plain(name)) for name, one in DETECTORS.items())


def _plain(name: str) -> Panel:
    """A panel from what a detector says of itself: its summary, and its level's recorded name."""
    detector = DETECTORS[name]
    level = detector.threshold(THRESHOLDS[name](), Scope("")).name
    series, _, _ = level.partition(":threshold")
    return Panel(
        detector.summary.rstrip("."),
        f"{detector.summary} Normal: below the dashed line.",
        f"{series}:delta$window",
        f"{series}:threshold$window",
    )


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
