"""A tenant's monthly recurring revenue: how much, how it moved, and what it leaves out."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.panels import Lines, Number
from boards.toolkit.parts import Query
from boards.toolkit.queries import CURRENCY, ONE, STEP, Window, latest, raw, rise, whole_units
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family

_WEEK = Window("7d", "604800")
_OF = "tenant, currency"
_NOW = latest(catalog.MRR.name, _OF, ONE, CURRENCY)
_THEN = f"max by ({_OF}) (last_over_time({raw(catalog.MRR.name, ONE, CURRENCY)}[1h] offset 7d))"
_NOTHING_THEN = "Unknown a week ago"


def recurring() -> tuple[Number | Lines, ...]:
    """Return the panels of MRR, in whole units of the chosen currency."""
    return (*_numbers(), *_over_time())


def _numbers() -> tuple[Number, ...]:
    lost = _moved("churn", "contraction")
    won = _moved("new", "expansion", "reactivation")
    kept = _moved("expansion", "reactivation")
    return (
        _money(
            "MRR, $currency",
            "Monthly value of the active and past due subscriptions, in whole units; docs/mrr.md defines it. Normal: "
            "a slow climb.",
            _NOW,
        ),
        _money("ARR, $currency", "Twelve times MRR. Normal: as MRR.", f"12 * {_NOW}"),
        _money(
            "Net new MRR of 7 days, $currency",
            "New, expansion and reactivation less contraction and churn; what a snapshot or an upgrade found is left "
            "out. Normal: above 0 for a shop that grows.",
            f"{won}\n- on ({_OF})\n{lost}",
        ),
        panels.number(
            "Quick ratio of 7 days, $currency",
            "New and expansion divided by contraction and churn. Normal: above 1 grows, from 4 it grows fast.",
            "none",
            Query(f"{_moved('new', 'expansion')}\n/ on ({_OF})\n({lost} > 0)"),
            nothing="Nothing was lost",
            width=4,
            decimals=1,
        ),
        _share(
            "Gross MRR churn of 7 days, $currency",
            "Contraction and churn in percent of the MRR of a week ago. Normal: below 1.",
            lost,
        ),
        _share(
            "Net MRR churn of 7 days, $currency",
            "As gross churn, less expansion and reactivation. Normal: around 0; below it, those who stay pay more.",
            f"{lost}\n- on ({_OF})\n{kept}",
        ),
    )


def _over_time() -> tuple[Lines, ...]:
    return (
        panels.lines(
            "MRR over time, $currency",
            "In whole units. Normal: a slow climb; steps are large customers, or what a snapshot found.",
            "locale",
            Query(whole_units(_NOW), "MRR"),
            kind="steps",
            width=6,
            label="$currency",
        ),
        panels.lines(
            "Movements of MRR, $currency",
            "In whole units, each in its bar's time; losses count downwards in MRR and are drawn upwards. Normal: new "
            "above churn; a bar of opening is what a snapshot or an upgrade found, and no sale.",
            "locale",
            Query(whole_units(_risen(catalog.MRR_MOVEMENT)), "{{movement}}"),
            kind="bars",
            width=6,
            label="$currency",
        ),
        panels.lines(
            "Subscriptions that moved MRR, $currency",
            "How many subscriptions each movement is of. Normal: as for the money; one large churn is a customer, many "
            "small ones are a fault or a price.",
            "short",
            Query(_risen(catalog.MRR_MOVEMENTS), "{{movement}}"),
            kind="bars",
            width=6,
        ),
        panels.lines(
            "Left out of MRR",
            "Live subscriptions that count with nothing, or without one of their items, by reason, in all currencies. "
            "Normal: the tenant's trials and usage prices; a step upwards of unknown_price is worth a look.",
            "short",
            Query(latest(catalog.MRR_EXCLUDED.name, "tenant, reason", ONE), "{{reason}}"),
            kind="steps",
            width=6,
        ),
    )


def _moved(*movements: str) -> str:
    where = f'movement=~"{"|".join(movements)}"'
    of = f"{_OF}, movement"
    moved = rise(catalog.MRR_MOVEMENT.name, of, _WEEK, ONE, CURRENCY, where, total=_OF)
    return f"(\n{moved}\nor on ({_OF})\n0 * {_NOW}\n)"


def _risen(family: Family) -> str:
    return rise(family.name, f"{_OF}, movement", STEP, ONE, CURRENCY)


def _money(title: str, description: str, minor: str) -> Number:
    query = Query(whole_units(minor))
    return panels.number(title, description, "locale", query, nothing="None yet", width=4, decimals=0)


def _share(title: str, description: str, part: str) -> Number:
    query = Query(f"100 * (\n{part}\n)\n/ on ({_OF})\n({_THEN} > 0)")
    return panels.number(title, description, "percent", query, nothing=_NOTHING_THEN, width=4, decimals=1)
