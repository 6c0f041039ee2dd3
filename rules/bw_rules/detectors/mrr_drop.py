"""Monthly recurring revenue is much lower than a day ago, as several subscriptions were lost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import ALWAYS, DAY, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import MONEY, Detector, Runbook, first_of
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import HOUR, Recording, Scope, counter, scaled, times
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, For, KeepFiringFor, NumberBetween, Severity, WholeBetween


class Thresholds(Base):
    """When a drop of MRR within a day is worth a page."""

    severity: Severity = "critical"
    for_: For = 900
    keep_firing_for: KeepFiringFor = 3600
    drop_pct: Annotated[Decimal, NumberBetween(0, 100, above=True)] = Field(
        Decimal(30), description="Percent by which MRR must have fallen within a day."
    )
    min_mrr: Annotated[int, WholeBetween(1, 10**12)] = Field(
        1000, description="Currencies whose MRR was less a day ago, in whole units, are not watched."
    )
    min_subscriptions: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        3, description="Fewer subscriptions lost or reduced within the day than this are no incident."
    )


ON = "tenant, currency"
MRR = counter(catalog.MRR, by=("tenant", "currency"), young_from_zero=False)
THEN = f"tenant:{MRR.name}:offset1d"
LOST, OPENED = "billing_mrr_losses", "billing_mrr_openings"
_KINDS = {LOST: "churn|contraction", OPENED: "opening"}


def _counted(name: str, scope: Scope) -> str:
    where = f'movement=~"{_KINDS[name]}"'
    of = f"{ON}, movement"
    return f"sum by ({ON}) (max by ({of}) ({scope.raw(catalog.MRR_MOVEMENTS.name, where)}))"


def _of_a_day(name: str, scope: Scope) -> Recording:
    """How many movements came within a day; there were none before in a currency that had MRR then and no count."""
    total = scope.recorded(f"tenant:{name}:max")
    now = f"last_over_time({total}[5m])"
    then = f"last_over_time({total}[1h] offset 1d) or on ({ON}) 0 * {scope.recorded(THEN)}"
    return Recording(f"tenant:{name}:delta1d", f"clamp_min({now} - on ({ON}) ({then}), 0)")


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return MRR now and a day ago, and how many subscriptions were lost or found meanwhile."""
    then = f"last_over_time({scope.recorded(MRR.max_name)}[1h] offset 1d)"
    return (
        MRR.recording(scope),
        Recording(THEN, then),
        *(Recording(f"tenant:{name}:max", _counted(name, scope)) for name in _KINDS),
        *(_of_a_day(name, scope) for name in _KINDS),
    )


def _left(t: Thresholds) -> Fraction:
    return (100 - Fraction(t.drop_pct)) / 100


def _enough(t: Thresholds, scope: Scope) -> str:
    units = f"max by (currency) ({scope.everyone.raw(catalog.CURRENCY_MINOR_UNITS.name)})"
    then = scope.beside.recorded(THEN)
    return f"{then} >= on (currency) group_left () ({times(t.min_mrr, units)})"


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: MRR fell, by enough subscriptions, and more were lost than found.

    Where as many are found by their first event as are lost, the MRR that is known is not yet the MRR that is.
    """
    beside = scope.beside
    lost, opened = (beside.recorded(f"tenant:{name}:delta1d") for name in (LOST, OPENED))
    fallen = scaled(beside.recorded(MRR.max_name), "<=", _left(t), beside.recorded(THEN), ON)
    return (
        f"{scope.recorded(MRR.max_name)}\n"
        f"and on ({ON}) ({fallen})\n"
        f"and on ({ON}) ({_enough(t, scope)})\n"
        f"and on ({ON}) ({lost} >= {t.min_subscriptions})\n"
        f"unless on ({ON}) ({opened} >= on ({ON}) {lost})"
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return minor units at or below which MRR has dropped, of currencies that are watched."""
    left = _left(t)
    then = times(left.numerator, scope.beside.recorded(THEN))
    level = f"{then} / {left.denominator}\nand on ({ON}) ({_enough(t, scope)})"
    return Recording(MRR.threshold_name(DAY), scope.narrowed(level, MRR.max_name))


def description(t: Thresholds) -> str:
    """Return MRR now and a day ago in whole units, and how many subscriptions were lost."""
    of = "{tenant='%s',currency='%s'}"
    units = "scalar(max(billing_currency_minor_units{currency='%s'}))"

    def money(name: str) -> str:
        return first_of(f"{name}{of} / {units}", "tenant", "currency", "currency", form="printf $money")

    lost = first_of(f"tenant:{LOST}:delta1d{of}", "tenant", "currency")
    return (
        f"{MONEY}MRR is {money(MRR.max_name)} {{{{ $labels.currency }}}}, and was {money(THEN)} a day ago. "
        f"Subscriptions lost or reduced meanwhile: {lost}. Fires when MRR is at most {100 - t.drop_pct} % of a day ago "
        f"and {t.min_subscriptions} or more subscriptions were lost or reduced."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return the drop and a unit less of it, a subscription too few, little MRR, what was found, unknown pasts."""
    least = t.min_mrr * 100
    usual, inside = 2 * least + 1000, DAY // 2
    exactly = int(usual * _left(t))
    more = exactly + 1

    def fell(
        name: str,
        outcome: Outcome,
        now: int,
        before: int = usual,
        *,
        lost: int = t.min_subscriptions,
        opened: int = 0,
        known: int = ALWAYS,
        lost_before: int | None = 50,
        replicas: int = 1,
        currency: str = "usd",
    ) -> Case:
        of = f'currency="{currency}"'
        mrr: Steps = ((known, before), (inside, now))
        total = (lost_before or 0) + lost
        churn = ((inside, total),) if lost_before is None else ((known, lost_before), (inside, total))
        found = ((known, 7), (inside, 7 + opened))
        series = []
        for number in range(replicas):
            who = f"replica-{number}"
            series += [
                Series(catalog.MRR.name, mrr, of, who),
                Series(catalog.MRR_MOVEMENTS.name, churn, f'{of},movement="churn"', who),
                Series(catalog.MRR_MOVEMENTS.name, found, f'{of},movement="opening"', who),
            ]
        return Case(name, outcome, tuple(series))

    few = t.min_subscriptions - 1
    return (
        fell("exactly the drop that is allowed", "fires", exactly),
        fell("one minor unit more than that", "quiet", more),
        fell("all of it", "fires", 0),
        fell("the first subscriptions that were ever lost", "fires", 0, lost_before=None),
        fell("one subscription too few, however large", "quiet", 0, lost=few),
        fell("one subscription too few, told by two replicas", "quiet", 0, lost=few, replicas=2),
        fell("a currency with just enough", "fires", 0, least),
        fell("a currency with less", "quiet", 0, least - 1),
        fell("a drop beside as many subscriptions that were found", "quiet", 0, opened=t.min_subscriptions),
        fell("a drop beside one fewer that were found", "fires", 0, opened=few),
        fell("an old shop whose MRR of a day ago nobody knows", "quiet", 0, known=DAY - 2 * HOUR),
        fell("a store restored from a backup", "quiet", exactly, lost=-20),
        fell("as many lost, and as much won", "quiet", usual),
        Case(
            "less than a day ago, but no less than then",
            "quiet",
            (
                Series(
                    catalog.MRR.name, steps((inside, 4 * usual), (HOUR, usual), start=usual), 'currency="usd"'
                ),
                Series(
                    catalog.MRR_MOVEMENTS.name,
                    steps((HOUR, 100 + t.min_subscriptions)),
                    'currency="usd",movement="churn"',
                ),
            ),
        ),
    )


DETECTOR = Detector(
    alert="BillingMrrDrop",
    summary="Monthly recurring revenue is much lower than a day ago.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: DAY,  # noqa: ARG005 - every detector's signature
    labels=("tenant", "currency"),
    runbook=Runbook(
        meaning="In one currency MRR is lower than 24 hours ago by `drop_pct` percent or more, and `min_subscriptions` "
        "or more subscriptions were canceled, paused, unpaid at last or reduced within that day. So one large customer "
        "who leaves wakes nobody, and neither do trials that end, renewals, and payments that are late: `past_due` "
        "counts in MRR. A price that can no longer be told (tiered, metered) is no loss. Where as many subscriptions "
        "were found within the day, by an upgrade or by their first event, and where Prometheus does not know MRR of a "
        "day ago, nothing fires.",
        impact="So much less will be billed from now on, every month.",
        first="1. What were they?"
        f"{first_look(catalog.SUBSCRIPTION_CHANGES, 'change', '1d')}"
        "\n   Mostly `canceled`: a script, an import, a plan that was taken away, or a dunning setting that cancels. "
        "`paused`: somebody paused collection. `downgraded`: a price was changed.\n"
        f"2. How much by each movement, in minor units?{first_look(catalog.MRR_MOVEMENT, 'currency, movement', '1d')}"
        "\n   In the month after an upgrade from a version that did not count MRR, contractions may be coupons, which "
        "that version did not remember.\n"
        "3. In the Stripe dashboard, Billing, Subscriptions: do those that ended share a product, a price, a user or "
        "an API key that did it? Developers, Logs names the request.\n"
        "4. Were plans moved to new subscriptions? Then `new` is as large once that is done, and this ends by itself.",
        tune="`drop_pct` and `min_subscriptions`; `min_mrr` (whole units of each currency) leaves out currencies that "
        "hardly matter.",
    ),
    cases=cases,
    panel=Panel(
        "MRR",
        "Monthly recurring revenue in whole units of the currency, and the level of a drop within a day. Normal: above "
        "the dashed line. The line is there from `min_mrr` up, and follows MRR a day later.",
        MRR.max_name,
        MRR.threshold_name(DAY),
        "money",
        "fires at or below",
    ),
)
