"""Made-up shops that post signed Stripe events, ordinary days and every anomaly: what `simulate` does."""

from __future__ import annotations

import shutil
import signal
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import BillingWatchError
from bw_simulator.live import Simulation, Strike, Tally
from bw_simulator.sender import Answer, advice, tenant_of
from bw_simulator.shop import anomalies

_PAUSE_SECONDS = 10.0
"""Between two anomalies when the simulation has no end."""

_DRAIN_SECONDS = 20.0
_LINE_SECONDS = {True: 0.25, False: 5.0}
"""How often the progress is printed: on a terminal, and elsewhere."""


def listing() -> str:
    """Return each anomaly with what happens and what to see of it, in lines."""
    known = ((name, anomalies.load(name)) for name in anomalies.names())
    return "\n".join(
        f"{name}\n  what happens: {one.happens}\n  what to see:  {one.see}" for name, one in known
    )


def chosen(tenants: Tenants, ids: Sequence[str] | None) -> tuple[Tenant, ...]:
    """Return the tenants to play; raise BillingWatchError where there are none."""
    found = tuple(tenant_of(tenants, one) for one in ids) if ids else tenants.all
    if not found:
        raise BillingWatchError(f"{tenants.source} has no tenants to play; add one")
    return found


def play(
    tenants: Sequence[Tenant],
    url: str,
    *,
    seed: int,
    rate: float,
    seconds: int | None,
    troubles: Sequence[tuple[str, str]],
    quiet: bool,
) -> int:
    """Post until the time is up (None: it never is) or Ctrl-C; return 0 if every event was answered 200, else 1.

    `rate` is in events per second, all shops together. `troubles` are (anomaly, tenant), at equal distances.
    """
    started_at = time.time()
    ends_at = started_at + seconds if seconds else float("inf")
    pause = min(_PAUSE_SECONDS, (ends_at - started_at) / (len(troubles) + 1))
    progress = _Progress(started_at, quiet=quiet)
    stopping = threading.Event()
    simulation = Simulation(
        tenants,
        url,
        seed=seed,
        rate=rate,
        strikes=[
            Strike(started_at + pause * number, name, struck)
            for number, (name, struck) in enumerate(troubles, 1)
        ],
        clock=time.time,
        sleep=stopping.wait,
        on_strike=progress.struck,
    )
    with _signals(stopping):
        while not stopping.is_set() and (time.time() < ends_at or simulation.strikes_left):
            simulation.step()
            progress.line(simulation)
        if not stopping.is_set():
            simulation.drain(_DRAIN_SECONDS)
    simulation.close()
    progress.end()
    print(summary(simulation.tally, simulation.waiting, time.time() - started_at))
    return 1 if simulation.tally.refused or simulation.waiting else 0


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end the simulation after the current event; a second one ends it at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: object) -> None:
        stopping.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Progress:
    """One line that is written over on a terminal, or one every few seconds elsewhere."""

    def __init__(self, started_at: float, *, quiet: bool) -> None:
        self._started_at = started_at
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._printed_at = 0.0
        self._complained: set[str] = set()

    def line(self, simulation: Simulation) -> None:
        """Print the progress, if it is time to."""
        now = time.time()
        if self._quiet or now - self._printed_at < _LINE_SECONDS[self._terminal]:
            return
        self._printed_at = now
        tally, seconds = simulation.tally, max(now - self._started_at, 1.0)
        text = f"{seconds:4.0f} s  {tally.posted} events acknowledged, {tally.posted / seconds:.1f}/s"
        if simulation.waiting:
            text += f", {simulation.waiting} to repeat"
        if tally.refused:
            text += f", {tally.refused.total()} refused"
        self._write(text)
        for complaint in (tally.unreachable, *(_refusal(*one) for one in tally.refused)):
            if complaint and complaint not in self._complained:
                self._complained.add(complaint)
                self._say(complaint)

    def struck(self, strike: Strike) -> None:
        """Print that an anomaly strikes now, and what to see of it."""
        anomaly = anomalies.load(strike.name)
        if not self._quiet:
            clock = time.strftime("%H:%M:%S")
            self._say(_wrapped(f"{clock}  {strike.name} strikes {strike.tenant_id}: {anomaly.happens}"))
            self._say(_wrapped(f"{' ' * len(clock)}  to see: {anomaly.see}"))

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._terminal and not self._quiet:
            print(file=sys.stderr)

    def _write(self, text: str) -> None:
        print(
            f"\r\x1b[K{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr
        )
        sys.stderr.flush()

    def _say(self, text: str) -> None:
        print(f"\r\x1b[K{text}" if self._terminal else text, file=sys.stderr)


def _wrapped(text: str) -> str:
    """Return a line broken to the width of the terminal, indented past its time."""
    width = min(shutil.get_terminal_size().columns, 110)
    return textwrap.fill(text, width, subsequent_indent=" " * 10, break_on_hyphens=False)


def summary(tally: Tally, waiting: int, seconds: float) -> str:
    """Return what was posted and how it was answered, in lines."""
    kinds: Counter[str] = Counter()
    for (_, event_type), count in tally.acknowledged.items():
        kinds[event_type] += count
    tenants = len({tenant_id for tenant_id, _ in tally.acknowledged})
    extras = f"{tally.again} posted twice, {tally.out_of_order} out of order, {tally.repeated} repeats"
    of = f"{tenants} tenant{'' if tenants == 1 else 's'}"
    lines = [f"{tally.posted} events of {of} acknowledged in {seconds:.0f} s ({extras})"]
    lines += [f"{count:8}  {kind}" for kind, count in sorted(kinds.items())]
    lines += [f"{count:8}  {_refusal(*refused)}" for refused, count in tally.refused.items()]
    if waiting:
        lines.append(f"{waiting:8}  not acknowledged: {tally.unreachable or 'the exporter was too busy'}")
    return "\n".join(lines)


def _refusal(tenant_id: str, answer: Answer) -> str:
    return f"refused for {tenant_id}: {answer.status}; {advice(answer) or answer.text}"
