"""The `simulate` command: made-up shops that post signed Stripe events, ordinary days and every anomaly."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from bw_exporter.command_line import options
from bw_exporter.command_line.parser import Parser
from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import BillingWatchError
from bw_simulator import history
from bw_simulator.live import Simulation, Strike, Tally
from bw_simulator.sender import DEFAULT_URL, Answer, tenant_of
from bw_simulator.shop import anomalies

_PAUSE_SECONDS = 10.0
"""Between two anomalies when the simulation has no end."""

_DRAIN_SECONDS = 20.0
_LINE_SECONDS = {True: 0.25, False: 5.0}
"""How often the progress is told: on a terminal, and elsewhere."""


def add_arguments(parser: Parser, environ: Mapping[str, str] = os.environ) -> None:
    """Add the arguments of `simulate` that are its own; --config.file is the command line's."""
    flag = partial(parser.flag, environ=environ)
    flag("--url", default=DEFAULT_URL, metavar="URL", help="the exporter's address (default: %(default)s)")
    flag("--tenant", kind=_listed, metavar="T,...", help="whose shops to play (default: all)")
    flag("--seed", default="1", kind=int, metavar="N", help="another seed, another story (default: 1)")
    flag(
        "--rate",
        default="5",
        kind=_rate,
        metavar="N",
        help="events per second, all shops together (default: 5)",
    )
    flag("--duration", kind=options.duration, metavar="60s", help="how long to play (default: until Ctrl-C)")
    flag(
        "--anomaly",
        default="none",
        kind=_anomalies,
        metavar="NAME,...",
        help="which trouble to play, or all, or none (default: none)",
    )
    flag("--anomaly-tenant", metavar="T", help="whom the trouble strikes (default: the last tenant)")
    history.add_arguments(parser, environ)
    parser.switch("--list", environ, "list the anomalies and what to expect of each")
    parser.switch("--quiet", environ, "tell nothing but the summary")


def run(args: Namespace, *, load: Callable[[str], Tenants]) -> int:
    """Play until the time is up or Ctrl-C; return 0 if every event was answered 200, else 1.

    With --history nothing is posted: a past is written instead.

    `load` reads a tenants.yaml by its path, as `tenants.load` with the detectors bound.
    """
    if args.list:
        for name in anomalies.names():
            anomaly = anomalies.load(name)
            print(f"{name}\n  what happens: {anomaly.happens}\n  what to see:  {anomaly.see}")
        return 0
    try:
        tenants = load(args.config_file)
        chosen = _chosen(tenants, args.tenant)
        if args.history:
            return history.run(args, tenants, chosen)
        history.refuse_without(args)
        struck = tenant_of(tenants, args.anomaly_tenant) if args.anomaly_tenant else chosen[-1]
        return _play(args, chosen if struck in chosen else (*chosen, struck), struck.id)
    except BillingWatchError as error:
        print(error, file=sys.stderr)
        return 1


def _chosen(tenants: Tenants, ids: list[str] | None) -> tuple[Tenant, ...]:
    """Return the tenants to play; raise BillingWatchError where there are none."""
    chosen = tuple(tenant_of(tenants, one) for one in ids) if ids else tenants.all
    if not chosen:
        raise BillingWatchError(f"{tenants.source} has no tenants to play; add one")
    return chosen


def _play(args: Namespace, tenants: tuple[Tenant, ...], struck: str) -> int:
    started_at = time.time()
    ends_at = started_at + args.duration if args.duration else float("inf")
    pause = min(_PAUSE_SECONDS, (ends_at - started_at) / (len(args.anomaly) + 1))
    progress = _Progress(started_at, quiet=args.quiet)
    stopping = threading.Event()
    simulation = Simulation(
        tenants,
        args.url,
        seed=args.seed,
        rate=args.rate,
        strikes=[
            Strike(started_at + pause * number, name, struck) for number, name in enumerate(args.anomaly, 1)
        ],
        clock=time.time,
        sleep=stopping.wait,
        told=progress.struck,
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
    """Let Ctrl-C and SIGTERM end the play after the event at hand; a second one ends it at once."""
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
        self._told_at = 0.0
        self._complained: set[str] = set()

    def line(self, simulation: Simulation) -> None:
        """Tell how it goes, if it is time to."""
        now = time.time()
        if self._quiet or now - self._told_at < _LINE_SECONDS[self._terminal]:
            return
        self._told_at = now
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
        """Tell of an anomaly that strikes now."""
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
    """Return a told line broken to the width of the terminal, indented past its time."""
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


_ADVICE = {
    400: "does the exporter run on the same tenants.yaml and secrets?",
    404: "does the exporter know this tenant? reload it after a change of tenants.yaml",
}


def _refusal(tenant_id: str, answer: Answer) -> str:
    advice = _ADVICE.get(answer.status, answer.text)
    return f"refused for {tenant_id}: {answer.status}; {advice}"


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ValueError("give events per second, more than 0, as in 5 or 0.5")
    return rate


def _listed(text: str) -> list[str]:
    return text.split(",")


def _anomalies(text: str) -> tuple[str, ...]:
    known = anomalies.names()
    if text in ("all", "none"):
        return known if text == "all" else ()
    chosen = _listed(text)
    if unknown := [name for name in chosen if name not in known]:
        raise ValueError(f"no such anomaly: {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(name for name in known if name in chosen)
