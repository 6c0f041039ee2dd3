"""Shows the whole at work: exporter, Prometheus and Alertmanager on eight simulated days, and every anomaly live.

With --key: a shop whose endpoint is killed, and what Stripe's own list then says, in about five minutes.

Run it by `make demo`. Everything lives in a folder of its own that is removed at the end; Ctrl-C ends it all.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import keyed
from files import HISTORY, STRUCK
from processes import free_port, tool
from sink import Sink
from stack import COMMAND, DidNotStartError, Stack, StoppedError
from story import ORDER, STANDING, Story

from bw_exporter.command_line import options
from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_simulator.fake_stripe import Account, fake_stripe
from bw_simulator.live import Simulation, Strike
from bw_simulator.shop import anomalies
from bw_simulator.simulate import summary

PAUSE_SECONDS = 10.0
ERROR = "level=error"


def main() -> int:
    """Run the demo; return 0 if it ended well."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--duration", type=options.duration, metavar="60s", help="end by itself after so long"
    )
    parser.add_argument("--rate", type=float, default=5.0, help="events per second (default: %(default)s)")
    parser.add_argument(
        "--once",
        action="store_true",
        help="end when all seven alerts, or the key's story, were shown",
    )
    parser.add_argument(
        "--history",
        default=HISTORY,
        help="a shorter past than %(default)s begins sooner, without a drop of revenue",
    )
    parser.add_argument("--alone", action="store_true", help="show the exporter alone, without Prometheus")
    parser.add_argument("--key", action="store_true", help="show what an API key adds, on a made-up Stripe")
    args = parser.parse_args()
    if args.key and (args.alone or not monitoring()):
        print("--key shows an alert, so it needs Prometheus and Alertmanager", file=sys.stderr)
        return 1
    # Noted and acted on between two steps: an exception in the middle of one could leave a process behind.
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    folder = Path(tempfile.mkdtemp(prefix="billingwatch-demo-"))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        sink = ending.enter_context(Sink(free_port(9099)))
        stack = Stack(folder, stopping, sink.url, history=args.history)
        if args.key:
            stripe = ending.enter_context(fake_stripe())
            stack = Stack(folder, stopping, sink.url, keyed.TENANTS, stripe.url)
        ending.callback(show_end, stack)
        ending.callback(stack.close)
        try:
            if args.key:
                return play_keyed(stack, sink, stripe.account(keyed.KEY), args)
            return play(stack, sink, args)
        except StoppedError:
            return 0
        except DidNotStartError as error:
            print(error, file=sys.stderr)
            return 1


def play(stack: Stack, sink: Sink, args: argparse.Namespace) -> int:
    """Start what there is, tell where to look, and let the shops work until the end; return the exit status."""
    alone = args.alone or not monitoring()
    if not alone:
        past = "eight days" if args.history == HISTORY else args.history
        say(f"three shops live through {past}")
        stack.live_through()
    stack.start_exporter()
    if not alone:
        say("Prometheus reads their past, and records what the rules say of it")
        stack.render()
        stack.backfill()
        stack.start_monitoring()
    where = "".join((WHERE, "" if alone else MONITORING, "Ctrl-C ends everything.\n"))
    print(where.format(stack=stack, sink=sink.url, command=COMMAND))
    say("traffic begins")
    return live(stack, sink, args, alone=alone)


def play_keyed(stack: Stack, sink: Sink, account: Account, args: argparse.Namespace) -> int:
    """Start what there is, let the endpoint die, and tell what comes of it; return the exit status."""
    stack.start_exporter()
    stack.render()
    stack.start_monitoring()
    print(
        (WHERE + MONITORING + "Ctrl-C ends everything.\n").format(stack=stack, sink=sink.url, command=COMMAND)
    )
    say("a shop with an API key sells; webhooks arrive. The whole story takes about five minutes")
    ends_at = time.time() + args.duration if args.duration else float("inf")
    story = keyed.Keyed(account, stack.public, stack.private, sink.messages, say)
    said = ""
    while not (stack.stopping.wait(0.2) or said or story.failed or time.time() >= ends_at):
        story.step()
        said = stack.ended()
        if args.once and story.complete:
            break
    story.close()
    if said:
        print(f"\n{said}", file=sys.stderr)
    return int(bool(said) or story.failed or (args.once and not story.complete))


def live(stack: Stack, sink: Sink, args: argparse.Namespace, *, alone: bool) -> int:
    """Let the shops work, with a story where there are alerts to tell of."""
    began_at = time.time()
    ends_at = began_at + args.duration if args.duration else float("inf")
    pause = min(PAUSE_SECONDS, (ends_at - began_at) / 8)
    strikes = [
        Strike(began_at + pause * number, name, STRUCK)
        for number, name in enumerate((*ORDER[:-1], STANDING, ORDER[-1]), 1)
    ]
    struck: list[Strike] = []
    simulation = Simulation(
        tenants.load(str(stack.config), detectors=THRESHOLDS).all,
        f"http://127.0.0.1:{stack.public}",
        seed=1,
        rate=args.rate,
        strikes=strikes if alone else [],
        clock=time.time,
        sleep=stack.stopping.wait,
        on_strike=struck.append,
    )
    story = None if alone else Story(simulation, sink.messages, say)
    status = 0
    while not stack.stopping.is_set() and time.time() < ends_at:
        simulation.step()
        while struck:
            story.struck(struck.pop(0)) if story else say_struck(struck.pop(0))
        if story:
            story.turn()
            if args.once and story.complete:
                break
        if said := stack.ended():
            print(f"\n{said}", file=sys.stderr)
            status = 1
            break
    simulation.close()
    print(summary(simulation.tally, simulation.waiting, time.time() - began_at))
    return 1 if args.once and not (story and story.complete) else status


def monitoring() -> bool:
    """Tell whether Prometheus and Alertmanager are at hand, and say so if they are not."""
    try:
        for name in ("prometheus", "promtool", "alertmanager"):
            tool(name)
    except LookupError as error:
        print(f"Only the exporter is shown, without alerts: {error}.", flush=True)
        return False
    return True


def say(text: str) -> None:
    """Tell a line of the story."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def say_struck(strike: Strike) -> None:
    """Tell of an anomaly where no alert will."""
    anomaly = anomalies.load(strike.name)
    say(f"{strike.name} strikes {strike.tenant_id}: {anomaly.happens}\n{' ' * 10}to see: {anomaly.see}")


def show_end(stack: Stack) -> None:
    """Print what the two checks found, and errors in the exporter's log if there are any."""
    if (stack.folder / "billingwatch.db").exists():
        print("\nWhat the checks found (`bw-exporter findings`):", flush=True)
        subprocess.run([COMMAND, "findings", "--storage.url", stack.storage], check=False)
    log = stack.tail("exporter", 10_000)
    if complaints := [line for line in log.splitlines() if ERROR in line]:
        print("The exporter complained:\n" + "\n".join(complaints[-10:]), file=sys.stderr)


WHERE = """
The exporter runs. Look at:
  a page for people     http://127.0.0.1:{stack.private}/
  metrics               http://127.0.0.1:{stack.private}/metrics
  findings              http://127.0.0.1:{stack.private}/findings
  or, in another shell  {command} findings --storage.url {stack.storage}
Webhooks go to          http://127.0.0.1:{stack.public}/webhooks/<tenant>
Their file is           {stack.config}
"""

MONITORING = """\
Alerts arrive at        {sink}/ (it stands where Slack would be)
Prometheus              http://127.0.0.1:{stack.prometheus}/alerts
Alertmanager            http://127.0.0.1:{stack.alertmanager}/
"""


if __name__ == "__main__":
    sys.exit(main())
