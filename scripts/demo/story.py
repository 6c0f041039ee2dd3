"""The story: traffic of three shops, one anomaly after the other, and the alert that came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from files import STRUCK
from sink_page import Message

from bw_rules.detectors import DETECTORS
from bw_simulator.live import Simulation, Strike
from bw_simulator.shop import anomalies

ORDER = (
    "webhook_lag",
    "charge_failure_spike",
    "fraud_spike",
    "duplicate_charge",
    "invoice_mismatch",
    "silent_lapse",
)
"""What is played, the quick ones first. Silence would hide the drop of revenue, so it waits for that one."""

STANDING = "revenue_drop"
"""What goes on from the past."""

PATIENCE_SECONDS = 180
PAUSE_SECONDS = 3.0
TRAFFIC_SECONDS = 30.0


class Story:
    """Strikes when the alert before has come, and tells of both. `messages` grows as alerts are delivered."""

    def __init__(
        self, simulation: Simulation, messages: Sequence[Message], say: Callable[[str], None]
    ) -> None:
        self._simulation, self._messages, self._say = simulation, messages, say
        self._began_at = self._told_at = time.time()
        self._left = list(ORDER)
        self._struck_at = {STANDING: self._began_at}
        self._awaited = ""
        self._next_at = self._began_at + PAUSE_SECONDS
        self._read = 0
        self.delivered: dict[str, float] = {}
        simulation.strike(STANDING, STRUCK)

    @property
    def complete(self) -> bool:
        """Whether all seven alerts have been delivered."""
        return self.delivered.keys() >= {DETECTORS[name].alert for name in (*ORDER, STANDING)}

    def turn(self) -> None:
        """Tell what has come, and strike if it is time to."""
        for message in self._messages[self._read :]:
            self._read += 1
            self._came(message)
        now = time.time()
        if self._awaited and now - self._struck_at[self._awaited] > PATIENCE_SECONDS:
            self._say(f"no alert came of {self._awaited} within {PATIENCE_SECONDS} s; the story goes on")
            self._awaited = ""
        if self._left and not self._awaited and now >= self._next_at and self._may_begin(self._left[0]):
            self._awaited = self._left.pop(0)
            self._struck_at[self._awaited] = now
            self._simulation.strike(self._awaited, STRUCK)
        if now - self._told_at >= TRAFFIC_SECONDS:
            self._told_at = now
            self._say(f"{self._simulation.tally.posted} events of three shops acknowledged so far")

    def struck(self, strike: Strike) -> None:
        """Tell of an anomaly as it strikes."""
        if strike.name == STANDING:
            self._say(
                f"{STRUCK} has sold nothing for 20 hours: its revenue of a day falls, with {STANDING}'s "
                "`for` of 1m to come"
            )
        else:
            self._say(f"{strike.name} strikes {strike.tenant_id}: {anomalies.load(strike.name).happens}")

    def _may_begin(self, name: str) -> bool:
        waited = time.time() - self._began_at > PATIENCE_SECONDS
        return name != "silent_lapse" or DETECTORS[STANDING].alert in self.delivered or waited

    def _came(self, message: Message) -> None:
        if message.resolved:
            self._say(f"resolved: {message.title}")
            return
        cause = next((name for name, one in DETECTORS.items() if one.alert == message.alert), "")
        if cause in self._struck_at and message.alert not in self.delivered:
            seconds = message.at - self._struck_at[cause]
            self.delivered[message.alert] = seconds
            self._say(f"{message.alert} was delivered after {seconds:.0f} s: {message.title}")
        else:
            self._say(f"another message came: {message.title}")
        if cause == self._awaited:
            self._awaited = ""
            self._next_at = time.time() + PAUSE_SECONDS
        if self.complete and cause in self._struck_at:
            self._say(
                f"all seven alerts were delivered, {time.time() - self._began_at:.0f} s after the first "
                "look at live traffic; it goes on until Ctrl-C"
            )
