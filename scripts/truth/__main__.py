"""Judges alerting rules on a fleet of made-up shops: `make truth TRUTH="--seed 2"`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click

from bw_exporter.errors import BillingWatchError
from bw_rules.backtest.past import rule_groups
from bw_simulator.fleet.calendar import Calendar
from bw_simulator.fleet.incidents import INCIDENTS
from bw_simulator.fleet.past import Fleet
from bw_simulator.fleet.shops import FLEET
from truth import evaluate, judge, rendering, table


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another past.")
@click.option(
    "--rules", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Judge this rule file."
)
@click.option("--past", type=click.Choice(["4w", "2w"]), default="4w", show_default=True)
@click.option(
    "--sensitivity",
    type=click.Choice(["low", "normal", "high", "fixed"]),
    default="normal",
    show_default=True,
)
@click.option("--shops", default="", help="Judge these alone, separated by commas.")
@click.option(
    "--days", type=click.IntRange(1, 30), default=30, show_default=True, help="Days that are judged."
)
@click.option(
    "--step", type=click.IntRange(15, 240), default=60, show_default=True, help="Seconds between scrapes."
)
def main(
    seed: int, rules: Path | None, past: str, sensitivity: str, shops: str, days: int, step: int
) -> None:
    """Do the alerts tell the truth? Without --rules, the rules with default thresholds are judged."""
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    wanted = shops.split(",") if shops else [shop.name for shop in FLEET]
    if unknown := set(wanted) - {shop.name for shop in FLEET}:
        known = ", ".join(shop.name for shop in FLEET)
        raise click.BadParameter(f"no shop is called {', '.join(sorted(unknown))}; there are {known}")
    chosen = tuple(shop for shop in FLEET if shop.name in wanted)
    incidents = tuple(one for one in INCIDENTS if one.shop in wanted and one.day + one.hours / 24 < days - 1)
    fleet = Fleet(chosen, incidents, Calendar(judged_days=days, step=step), seed)
    try:
        with tempfile.TemporaryDirectory(prefix="billingwatch-truth-") as folder:
            made = rendering.rendered(fleet, Path(folder), past=past, sensitivity=sensitivity)
        groups = rule_groups(str(rules)) if rules else made
        alerts, truths, unseen = evaluate.run(fleet, groups, tell=tell)
    except BillingWatchError as error:
        raise click.ClickException(str(error)) from error
    for line in [*unseen, *table.lines(judge.judge(alerts, truths), fleet)]:
        print(line)


if __name__ == "__main__":
    main()
