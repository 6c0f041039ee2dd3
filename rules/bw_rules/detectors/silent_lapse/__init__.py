"""Stripe has sent nothing for too long, or never has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import fixed, rhythm, signals
from bw_rules.toolkit.detector import Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, DurationBetween, For, OrAuto

UP = signals.UP


class Thresholds(Base):
    """When silence is a lapse."""

    for_: For = 300
    max_silence: Annotated[int | Literal["auto"], OrAuto(DurationBetween("1m", "30d"))] = Field(
        "auto",
        description="How long a tenant may send no event. With `auto`, its own rhythm decides; a duration holds as it "
        "stands.",
    )

    @property
    def reads_past(self) -> bool:
        """The rhythm is that of the tenant's past."""
        return self.max_silence == "auto"

    @property
    def limit(self) -> int:
        """The chosen duration in seconds; 0 for `auto`."""
        return 0 if self.max_silence == "auto" else self.max_silence


DETECTOR = judged_by(
    lambda t: rhythm.METHOD if t.reads_past else fixed.METHOD,
    alert="BillingSilentLapse",
    summary="Stripe has stopped sending events.",
    runbook=Runbook(
        meaning="No validly signed event came for longer than is usual for this tenant at this hour of the week, and "
        "for so long that several payments were due. Or none ever came in the day since the tenant was set up. Or "
        "nothing came for longer than the `max_silence` that you chose. The exporter was up all the time. Ignored "
        "events (other mode, Connect, thin) count as signs of life. A tenant of less than two weeks is given a day at "
        "least; one whose past Prometheus does not know, two days.",
        impact="Nothing about this tenant is watched any more: no other alert of it can fire.",
        first=f"1. Were requests refused within the last day?{first_look(catalog.WEBHOOK_REQUESTS, 'result', '1d')}"
        "\n   A wrong secret shows as `bad_signature`.\n"
        "2. In Stripe's dashboard, Developers > Webhooks: is the endpoint enabled, and what do the last attempts say? "
        "Stripe switches endpoints off that failed for days.\n"
        "3. Can the internet reach the exporter (DNS, certificate, firewall)?\n"
        "4. Did requests come for no tenant?"
        f"""{first_look(catalog.WEBHOOK_REQUESTS, "result", "1d", 'tenant=""')}"""
        "\n   Then look at the URL's last part in Stripe.",
        tune="`max_silence: 6h`, or another duration, where the rhythm does not fit; `timezone` where the shop's clock "
        "changes twice a year; `enabled: false` for test accounts.",
    ),
    panel=Panel(
        "Silence",
        "Time since the last validly signed event. Normal: a sawtooth of minutes, longer at night, below the dashed "
        "line, which follows the tenant's rhythm.",
        signals.SILENCE,
        signals.LEVEL,
        "s",
        "fires above",
    ),
)
