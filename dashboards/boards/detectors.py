"""The detectors as the rules see them: the recorded value, the level at which it fires, and when it fired."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards import frame, panels
from boards.panels import Lines
from boards.parts import DATASOURCE, Query
from boards.queries import CURRENCY, FIRING, ONE, recorded, whole_units
from bw_rules.detectors import DETECTORS, THRESHOLDS
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
    def _of(self) -> tuple[str, ...]:
        """Matchers of what its alert is about."""
        return (ONE, CURRENCY) if "currency" in DETECTORS[self.detector].labels else (ONE,)

    def panel(self) -> Lines:
        """Return the panel; the level is the dashed line."""
        money = self.drawn.unit == _MONEY
        level = self._series(self.drawn.level)
        panel = panels.lines(
            self._filled(self.drawn.title) + (", $currency" if money else ""),
            self._filled(self.drawn.description),
            "locale" if money else self.drawn.unit,
            Query(whole_units(self._money()) if money else self._series(self.drawn.value), "now"),
            Query(whole_units(level) if money else level, self.drawn.fires),
            label="$currency" if money else "",
        )
        panels.dashed(panel, "B", "red")
        return panel.no_value(OFF).links([panels.runbook(self.alert)])

    def _money(self) -> str:
        """The tenant's window, or any while there is no level yet, by whose name its own window is known."""
        value, level = (self._pattern(name) for name in (self.drawn.value, self.drawn.level))
        any_window = recorded("", f'__name__=~"{value}"', *self._of)
        levels = recorded("", f'__name__=~"{level}"', ONE)
        without_past = f"{any_window}\nunless on (tenant) {levels}"
        return f"max by (tenant, currency) (\n{self._series(self.drawn.value)}\nor\n({without_past})\n)"

    def _series(self, name: str) -> str:
        return recorded(self._filled(name), *self._of)

    def _filled(self, text: str) -> str:
        return self.drawn.filled(text, lambda word: f"${{{self._variable(word)}}}")

    def _variable(self, word: str) -> str:
        return f"{self.detector}_{word}"

    def _pattern(self, name: str, captured: str = "") -> str:
        """Return the regular expression of a recorded name, capturing what stands for one of its placeholders."""
        return self.drawn.filled(name, lambda word: "([^_]+)" if word == captured else "[^_]+")

    def variables(self) -> tuple[dashboard.QueryVariable, ...]:
        """Return the hidden variables: what a tenant's own thresholds put into the names of its recorded levels."""
        query = f'label_values({{__name__=~"{self._pattern(self.drawn.level)}",{ONE}}}, __name__)'
        return tuple(
            frame.hidden(self._variable(word), query, f"/{self._pattern(self.drawn.level, word)}/")
            for word in self.drawn.placeholders
        )

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
    series, _, of_a_window = level.partition(":threshold")
    window = "$window" if of_a_window else ""
    return Panel(
        detector.summary.rstrip("."),
        f"{detector.summary} Normal: below the dashed line.",
        f"{series}:delta{window}",
        f"{series}:threshold{window}",
    )


def variables() -> tuple[dashboard.QueryVariable, ...]:
    """Return the hidden variables of all panels."""
    return tuple(variable for one in drawn() for variable in one.variables())


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
