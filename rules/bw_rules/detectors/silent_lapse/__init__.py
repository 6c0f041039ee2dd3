"""Stripe has sent nothing for too long, or never has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import fixed, rhythm, signals
from bw_rules.toolkit.detector import Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, DurationBetween, OrAuto

UP = signals.UP


class Thresholds(Base):
    """When silence is a lapse."""

    for_: Annotated[int, DurationBetween("0", "1d")] = Field(
        300,
        alias="for",
        description="How much longer than usual, or than `max_silence`, it must last before the alert fires. Silence "
        "by Stripe's list fires at once.",
    )
    max_silence: Annotated[int | Literal["auto"], OrAuto(DurationBetween("1m", "30d"))] = Field(
        "auto",
        description="How long a tenant may send no event. With `auto`, Stripe's list decides where there is an API "
        "key, else the tenant's own rhythm; a duration holds as it stands, with a key too.",
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
        meaning="One of two has spoken; the alert's description says which.\n\n"
        "*Stripe's list*, where the tenant has an API key, catch-up works and `max_silence` is `auto`: Stripe made an "
        "event that is older than `catch_up.after`, and no webhook has arrived since. A shop that makes no events is "
        "quiet, however long. What was made while the exporter was away does not count, as Stripe repeats it.\n\n"
        "*Habit*, without a key or while catch-up fails: no validly signed event came for longer than is usual for "
        "this tenant at this hour of the week, and for so long that several payments were due. Or none ever came in "
        "the day since the tenant was set up. Or nothing came for longer than the `max_silence` that you chose. The "
        "exporter was up all the time. A tenant of less than two weeks is given a day at least; one whose past "
        "Prometheus does not know, two days.\n\n"
        "Ignored events (other mode, Connect, thin) count as signs of life.",
        impact="Without an API key nothing about this tenant is watched any more: no other alert of it can fire. "
        "With one, catch-up counts what no webhook brings, some minutes late.",
        first=f"1. Were requests refused within the last day?{first_look(catalog.WEBHOOK_REQUESTS, 'result', '1d')}"
        "\n   A wrong secret shows as `bad_signature`.\n"
        "2. In Stripe's dashboard, Developers > Webhooks: is the endpoint enabled, and what do the last attempts say? "
        "Stripe switches endpoints off that failed for days.\n"
        "3. Can the internet reach the exporter (DNS, certificate, firewall)?\n"
        "4. Did requests come for no tenant?"
        f"""{first_look(catalog.WEBHOOK_REQUESTS, "result", "1d", 'tenant=""')}"""
        "\n   Then look at the URL's last part in Stripe.",
        tune="By Stripe's list: `catch_up.after`. By habit: "
        "`max_silence: 6h`, or another duration, where the rhythm does not fit; `timezone` where the shop's clock "
        "changes twice a year; `enabled: false` for test accounts.",
    ),
    rule_for=lambda t: (
        0 if t.reads_past else t.for_
    ),  # with `auto` the condition adds it to what habit allows
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
