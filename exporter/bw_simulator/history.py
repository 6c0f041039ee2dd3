"""`simulate --history`: a past written to a file, and the store from which the present goes on."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bw_exporter.command_line import options
from bw_exporter.command_line.parser import Parser
from bw_exporter.config import durations
from bw_exporter.config.current import ConfigState
from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import BillingWatchError
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.monitoring import exposition
from bw_exporter.store import Store, open_store
from bw_simulator import past, past_file
from bw_simulator.past import Steps, Trouble
from bw_simulator.past_file import Target
from bw_simulator.shop import anomalies

_LONGEST_STEP_SECONDS = 240
"""Prometheus forgets a series 5 minutes after its last sample."""

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_TROUBLE = re.compile(r"([^:@]+):([^:@]+)@([0-9a-z]+)(?:-([0-9a-z]+))?")

_HOUR, _DAY = 3600, 86_400
_USUAL_TROUBLES = (
    ("webhook_lag", 6 * _DAY + 5 * _HOUR, 0),
    ("revenue_drop", 5 * _DAY + 20 * _HOUR, 5 * _DAY),
    ("charge_failure_spike", 4 * _DAY + 7 * _HOUR, 0),
    ("duplicate_charge", 3 * _DAY + 3 * _HOUR, 0),
    ("silent_lapse", 2 * _DAY + 15 * _HOUR, 2 * _DAY + 8 * _HOUR),
    ("invoice_mismatch", 2 * _DAY + 2 * _HOUR, 0),
    ("fraud_spike", 1 * _DAY + 9 * _HOUR, 0),
)
"""What goes wrong in any past, a tenant each in turn: name, seconds before the end, and until when if it lasts."""


def add_arguments(parser: Parser, environ: Mapping[str, str]) -> None:
    """Add the flags that make a past; `simulate` has the others."""
    flag = partial(parser.flag, environ=environ)
    flag(
        "--history",
        kind=options.duration,
        metavar="8d",
        help="post nothing; write what would have been scraped over so long until now (retention: 15d)",
    )
    flag("--output", metavar="FILE", help="where --history writes it, as OpenMetrics text with timestamps")
    # No variable stands in for it: BW_STORAGE_URL is the store of `serve`, which no made-up past may fill.
    parser.add_argument(
        "--storage.url",
        dest="storage_url",
        type=options.bare_storage_url,
        metavar="URL",
        help="a new store that --history leaves as the past left it, for `serve` to go on from",
    )
    flag("--step", default="2m", kind=_step, metavar="2m", help="between two scrapes (default: %(default)s)")
    flag("--end", kind=options.positive, metavar="UNIX", help="when the past ends (default: now)")
    flag(
        "--past",
        kind=_troubles,
        metavar="T:NAME@AGO,...",
        help="what went wrong, as in prod:fraud_spike@30h, or prod:revenue_drop@5d-4d for what lasted; or none "
        "(default: each anomaly once)",
    )
    flag("--job", default="billing-exporter", metavar="JOB", help="the label job (default: %(default)s)")
    flag(
        "--instance",
        default="127.0.0.1:9847",
        metavar="HOST:PORT",
        help="the label instance (default: %(default)s)",
    )


def run(args: Namespace, tenants: Tenants, chosen: Sequence[Tenant]) -> int:
    """Write the past of the chosen tenants and tell of it; return 0."""
    if not args.output:
        raise BillingWatchError("--history needs --output FILE, where the past is to be written")
    output = Path(args.output)
    if not output.parent.is_dir():
        raise BillingWatchError(
            f"{output} cannot be written: there is no folder {output.parent}; make it first"
        )
    began = time.monotonic()
    end_at = args.end or int(time.time())
    steps = Steps(end_at - args.history, end_at, args.step)
    troubles = _struck(args.past, chosen, steps)
    with _findings_untold(), tempfile.TemporaryDirectory(prefix="billingwatch-past-") as folder:
        store = open_store(args.storage_url or f"sqlite:///{folder}/billingwatch.db")
        try:
            told = past.live_through(chosen, store, steps, seed=args.seed, troubles=troubles)
            scrape = _last_scrape(store, tenants, steps)
        finally:
            store.close()
    target = Target(args.job, args.instance)
    try:
        with output.open("wb") as out:
            written = past_file.write(out, scrape, told.by_line, steps.moments, target)
            size = out.tell()
    except OSError as error:
        raise BillingWatchError(f"{output} cannot be written: {error.strerror}") from error
    if not args.quiet:
        print(_summary(args, steps, troubles, written, size, time.monotonic() - began), file=sys.stderr)
    return 0


def refuse_without(args: Namespace) -> None:
    """Refuse what is for a past where none was asked for; raises BillingWatchError."""
    if args.output or args.storage_url:
        raise BillingWatchError(
            "--output and --storage.url are for a past: say how long it is, as in --history 8d"
        )


@contextmanager
def _findings_untold() -> Iterator[None]:
    """What the checks find in a past is part of the play, and no news."""
    logger = logging.getLogger("bw_exporter")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _last_scrape(store: Store, tenants: Tenants, steps: Steps) -> str:
    state = ConfigState(
        tenants, steps.moments[0], last_reload_successful=True, problems=(), attempted_monotonic=0.0
    )
    health = StoreHealth(store.schema_version, up=True)
    body, _ = exposition.render(store, state, health, _OPENMETRICS, lambda: steps.end_at)
    return body.decode()


def _struck(
    given: list[tuple[str, str, int, int]] | None, chosen: Sequence[Tenant], steps: Steps
) -> list[Trouble]:
    """Return what went wrong, or what usually does as far as the past reaches."""
    if given is None:
        given = [
            (chosen[number % len(chosen)].id, name, ago, until)
            for number, (name, ago, until) in enumerate(_USUAL_TROUBLES)
        ]
    elif unknown := {one[0] for one in given} - {tenant.id for tenant in chosen}:
        raise BillingWatchError(f"--past names {', '.join(sorted(unknown))}, whose shop is not played")
    return [
        Trouble(tenant_id, name, steps.end_at - ago, steps.end_at - until)
        for tenant_id, name, ago, until in given
        if steps.end_at - ago > steps.moments[0]
    ]


def _summary(
    args: Namespace, steps: Steps, troubles: Sequence[Trouble], written: int, size: int, seconds: float
) -> str:
    lines = [
        f"{args.output}: {durations.render(args.history)} in {len(steps.moments)} steps, {written} samples, "
        f"{size / 1e6:.0f} MB, made in {seconds:.0f} s"
    ]
    for one in troubles:
        when = time.strftime("%a %d %b %H:%M UTC", time.gmtime(one.at))
        lines.append(f"  {when}  {one.name} strikes {one.tenant_id}")
    return "\n".join(lines)


def _step(text: str) -> int:
    seconds = options.duration(text)
    if seconds > _LONGEST_STEP_SECONDS:
        raise ValueError("must be at most 4m, or Prometheus would forget the series between two scrapes")
    return seconds


def _troubles(text: str) -> list[tuple[str, str, int, int]]:
    return [] if text == "none" else [_trouble(part) for part in text.split(",")]


def _trouble(text: str) -> tuple[str, str, int, int]:
    match = _TROUBLE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no trouble; write TENANT:NAME@AGO, as in prod:fraud_spike@30h")
    tenant_id, name, ago, until = match.groups()
    if name not in anomalies.names():
        raise ValueError(f"no such anomaly: {name}; there are: {', '.join(anomalies.names())}")
    return tenant_id, name, options.duration(ago), durations.parse(until or "0")
