from __future__ import annotations

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import config_file, flag, switch
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import StorageURL
from bw_simulator.commands import _values as values


@click.command("simulate", cls=Command)
@config_file
@flag("--url", "The exporter's public address.", default="http://127.0.0.1:8000", metavar="URL")
@flag(
    "--web.metrics-address",
    "The exporter's private listener, which is asked whether a live tenant has events of Stripe.",
    read=options.address,
    default="127.0.0.1:9847",
    metavar="HOST:PORT",
)
@switch(
    "--yes",
    "Ask nobody, and count made-up money for live tenants whatever they have received.",
    variable=False,
)
@flag("--tenant", "Whose shops to play.", read=values.listed, shown_default="all", metavar="T,...")
@flag("--seed", "Another seed, another story.", read=values.number, default="1", metavar="N")
@flag("--rate", "Events per second, all shops together.", read=values.rate, default="5", metavar="N")
@flag(
    "--duration",
    "How long to play.",
    read=options.duration,
    shown_default="until Ctrl-C",
    metavar="DURATION",
)
@flag(
    "--anomaly",
    "Which trouble to play, or all, or none.",
    read=values.anomaly_names,
    default="none",
    metavar="NAME,...",
)
@flag("--anomaly-tenant", "Whom the trouble strikes.", shown_default="the last tenant", metavar="T")
@flag(
    "--history",
    "Post nothing; write what would have been scraped over so long until now. Prometheus keeps 15d by default.",
    read=options.duration,
    metavar="DURATION",
)
@flag("--output", "Where --history writes it, as OpenMetrics text with timestamps.", metavar="FILE")
# No variable stands in for it: BW_STORAGE_URL is the store of `serve`, which no made-up past may fill.
@flag(
    "--storage.url",
    "A new store that --history leaves as the past left it, for `serve` to go on from.",
    read=StorageURL(),
    metavar="URL",
    variable=False,
)
@flag("--step", "Between two scrapes.", read=values.step, default="2m", metavar="DURATION")
@flag("--end", "When the past ends.", read=options.positive, shown_default="now", metavar="UNIX")
@flag(
    "--past",
    "What went wrong, as in prod:fraud_spike@30h, or prod:revenue_drop@5d-4d for what lasted; or none.",
    read=values.troubles,
    shown_default="each but mrr_drop once",
    metavar="T:NAME@AGO,...",
)
@flag("--job", "The label job.", default="billing-exporter", metavar="JOB")
@flag("--instance", "The label instance.", default="127.0.0.1:9847", metavar="HOST:PORT")
@switch("--list", "List the anomalies and what to expect of each.")
@switch("--quiet", "Print the summary alone.")
def command(
    *,
    config_file: str,
    url: str,
    web_metrics_address: tuple[str, int],
    yes: bool,
    tenant: list[str] | None,
    seed: int,
    rate: float,
    duration: int | None,
    anomaly: tuple[str, ...],
    anomaly_tenant: str | None,
    history: int | None,
    output: str | None,
    storage_url: str | None,
    step: int,
    end: int | None,
    past: list[tuple[str, str, int, int]] | None,
    job: str,
    instance: str,
    list: bool,  # noqa: A002 - the flag's own name
    quiet: bool,
) -> int:
    """Play a shop: normal traffic and each anomaly.

    Made-up events count like real ones. They are posted for tenants of mode test, and for a live tenant only
    while the exporter has no event of Stripe for it.
    """
    from bw_exporter import tenants_file
    from bw_exporter.errors import BillingWatchError
    from bw_simulator import guard, sender, simulate
    from bw_simulator import history as histories

    if list:
        click.echo(simulate.listing())
        return 0
    tenants = tenants_file.load(config_file)
    chosen = simulate.chosen(tenants, tenant)
    if history:
        wanted = histories.Wanted(history, output, storage_url, step, end, past, job, instance)
        return histories.write(wanted, tenants, chosen, seed=seed, quiet=quiet)
    if output or storage_url:
        raise BillingWatchError(
            "--output and --storage.url are for a past: say how long it is, as in --history 8d"
        )
    struck = sender.tenant_of(tenants, anomaly_tenant) if anomaly_tenant else chosen[-1]
    played = chosen if struck in chosen else (*chosen, struck)
    if not yes:
        guard.refuse_to_mix(played, web_metrics_address)
    return simulate.play(
        played,
        url,
        seed=seed,
        rate=rate,
        seconds=duration,
        troubles=[(name, struck.id) for name in anomaly],
        quiet=quiet,
    )
