"""`simulate --history`: a past written to a file, and the store from which the present goes on."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bw_exporter.config import durations
from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import BillingWatchError
from bw_exporter.past import file, scrape
from bw_exporter.past.file import Target
from bw_exporter.past.steps import Steps
from bw_exporter.store import open_store
from bw_simulator import past
from bw_simulator.past import Trouble

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The past that is asked for: so many seconds until `end_at` (None: now), scraped every `step_seconds`.

    `troubles` are (tenant, anomaly, seconds before the end, and until when); None is what usually goes wrong.
    """

    seconds: int
    output: str | None
    storage_url: str | None
    step_seconds: int
    end_at: int | None
    troubles: list[tuple[str, str, int, int]] | None
    job: str
    instance: str


def write(wanted: Wanted, tenants: Tenants, chosen: Sequence[Tenant], *, seed: int, quiet: bool) -> int:
    """Write the past of the chosen tenants and say what is in it; return 0.

    Raises BillingWatchError where it cannot be written or where its store is in use.
    """
    if not wanted.output:
        raise BillingWatchError("--history needs --output FILE, where the past is to be written")
    output = Path(wanted.output)
    if not output.parent.is_dir():
        raise BillingWatchError(
            f"{output} cannot be written: there is no folder {output.parent}; make it first"
        )
    began = time.monotonic()
    end_at = wanted.end_at or int(time.time())
    steps = Steps(end_at - wanted.seconds, end_at, wanted.step_seconds)
    troubles = _struck(wanted.troubles, chosen, steps)
    with scrape.findings_not_logged(), tempfile.TemporaryDirectory(prefix="billingwatch-past-") as folder:
        store = open_store(wanted.storage_url or f"sqlite:///{folder}/billingwatch.db")
        try:
            scrapes = past.simulate(chosen, store, steps, seed=seed, troubles=troubles)
            text = scrape.last(store, tenants, steps)
        finally:
            store.close()
    target = Target(wanted.job, wanted.instance)
    try:
        with output.open("wb") as out:
            written = file.write(out, text, scrapes.runs, steps.moments, target)
            size = out.tell()
    except OSError as error:
        raise BillingWatchError(f"{output} cannot be written: {error.strerror}") from error
    if not quiet:
        print(_summary(wanted, steps, troubles, written, size, time.monotonic() - began), file=sys.stderr)
    return 0


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
    wanted: Wanted, steps: Steps, troubles: Sequence[Trouble], written: int, size: int, seconds: float
) -> str:
    lines = [
        f"{wanted.output}: {durations.render(wanted.seconds)} in {len(steps.moments)} steps, {written} samples, "
        f"{size / 1e6:.0f} MB, made in {seconds:.0f} s"
    ]
    for one in troubles:
        when = time.strftime("%a %d %b %H:%M UTC", time.gmtime(one.at))
        lines.append(f"  {when}  {one.name} strikes {one.tenant_id}")
    return "\n".join(lines)
