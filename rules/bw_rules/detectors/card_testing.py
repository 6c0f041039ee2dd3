"""Card testing: more different cards failed within ten minutes than the tenant has buyers in that time."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from pydantic import Field

from bw_exporter.metrics import catalog
from bw_rules.toolkit import habit
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, MINUTE, Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook, first_of
from bw_rules.toolkit.evidence import poisson_level, poisson_level_of
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Recording, Scope, counter, created
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, Enabled, KeepFiringFor, Severity, WholeBetween


class Thresholds(Base):
    """When failing cards are card testing."""

    enabled: Enabled = False
    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 600
    min_cards: Annotated[int, WholeBetween(2, 5_000)] = Field(
        10, description="Fewer different cards that fail within ten minutes are never card testing."
    )


ATTEMPTS = counter(catalog.CHARGE_ATTEMPTS, name="billing_attempts_of_cards")
"""As the charge failures' attempts, under a name of its own, since either detector may be off."""
CARDS = "tenant:billing_failed_cards:max"
USUAL = "tenant:billing_failed_cards:usual"
LEVEL = "tenant:billing_failed_cards:threshold"

_WINDOW = 10 * MINUTE
_BUSY = 2
"""A busy ten minutes bring so many times the attempts of average ones."""
_EVIDENCE = 11.0
"""In nats; chance alone shows it in one of 60,000 windows of ten minutes, which is once a year."""
_PAST = habit.WEEK - HOUR
_YOUNG = 6 * HOUR
_UNKNOWN = 5
"""So many times the least number is a test where nothing is known of the week before."""


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return the cards that fail now, and the attempts to pay."""
    return (
        Recording(CARDS, f"max by (tenant) ({scope.latest(catalog.FAILED_CARDS.name)})"),
        ATTEMPTS.recording(scope),
    )


def habits(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return how many attempts a busy ten minutes bring, by the week that ended an hour ago.

    Where everything fails as the issuers are down, as many cards fail as buyers come, and no more.
    """
    lived = f"clamp(time() - {created(scope)} - {HOUR}, {_YOUNG}, {_PAST})"
    before = ATTEMPTS.delta(scope, _PAST, HOUR).expr
    return (Recording(USUAL, f"(1 / 2 + {before}) * {_BUSY * _WINDOW}\n/ on (tenant)\n{lived}"),)


def condition(t: Thresholds, scope: Scope) -> str:  # noqa: ARG001 - every detector's signature
    """Return PromQL for: as many cards as the level."""
    return f"{scope.recorded(CARDS)} >= on (tenant) max by (tenant) ({scope.beside.recorded(LEVEL)})"


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return how many cards are more than the buyers of a busy ten minutes."""
    level = poisson_level(habit.read(scope.beside.recorded(USUAL)), _EVIDENCE)
    unknown = f"{_UNKNOWN * t.min_cards} + 0 * {scope.recorded(CARDS)}"
    return Recording(
        LEVEL, scope.narrowed(f"(clamp_min({level}, {t.min_cards}))", CARDS) + f"\nor on (tenant)\n{unknown}"
    )


def description(t: Thresholds) -> str:  # noqa: ARG001 - every detector's signature
    """Return how many cards, and how many attempts are usual."""
    usual = first_of(f"last_over_time({USUAL}{{tenant='%s'}}[16m])", "tenant", form="humanize")
    return (
        f"{VALUE} different cards failed within ten minutes; a busy ten minutes of this tenant bring {usual} attempts "
        "to pay. Somebody tries stolen cards."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return just enough and one too few, at an idle and at a busy tenant, a new one, and one of unknown past."""
    day = 300 * t.min_cards
    busy = ceil(poisson_level_of((6 * day + 0.5) * _BUSY * _WINDOW / _PAST, _EVIDENCE))
    idle = max(t.min_cards, ceil(poisson_level_of(0.5 * _BUSY * _WINDOW / _PAST, _EVIDENCE)))
    none: Steps = ((ALWAYS, 0),)
    sales: Steps = ((ALWAYS, 0), (8 * DAY, day), *((ago * DAY, (9 - ago) * day) for ago in range(7, 0, -1)))

    def case(
        name: str, outcome: Outcome, cards: int, *, past: Steps = none, age: int = ALWAYS, replicas: int = 1
    ) -> Case:
        series = [Series(catalog.CHARGE_ATTEMPTS.name, past)]
        series += [
            Series(catalog.FAILED_CARDS.name, ((ALWAYS, 0), (HOUR, cards)), "", f"replica-{number}")
            for number in range(replicas)
        ]
        return Case(name, outcome, tuple(series), age, every=HOUR, reach=True)

    return (
        case("as many cards as an idle shop never sees", "fires", idle),
        case("one card less", "quiet", idle - 1),
        case("one card less, told by two replicas", "quiet", idle - 1, replicas=2),
        case("more cards than a busy shop has buyers", "fires", busy, past=sales),
        case("as many cards as a busy shop may have buyers, all failing", "quiet", busy - 1, past=sales),
        case(
            "an old tenant whose past nobody knows", "quiet", _UNKNOWN * t.min_cards - 1, past=((DAY, day),)
        ),
        case(
            "many cards of a tenant whose past nobody knows",
            "fires",
            _UNKNOWN * t.min_cards,
            past=((DAY, day),),
        ),
        case("a new tenant whose cards fail", "fires", idle + 1, past=((HOUR, 0),), age=HOUR),
    )


DETECTOR = Detector(
    alert="BillingCardTesting",
    summary="Many different cards fail within minutes: somebody tries stolen cards.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: habit.WEEK,  # noqa: ARG005 - every detector's signature
    runbook=Runbook(
        meaning="More different cards failed within ten minutes than the tenant has attempts to pay in a busy ten "
        "minutes of its last week, and at least `min_cards`. Cards are told apart by a keyed hash of Stripe's "
        "fingerprint; one card that is tried again is one, and cards that were only to be kept (setup intents) "
        "count. So an outage of issuers, where everybody's card fails, is no card testing. Cards held "
        "to a terminal do not count.",
        impact="Each attempt may cost a fee. Cards that pass are used elsewhere, or come back as disputes; and issuers "
        "decline more of the honest buyers while it lasts.",
        first="1. Which reasons, within the last hour?"
        f"{first_look(catalog.CHARGE_FAILURES, 'reason', '1h')}"
        "\n2. Stripe's dashboard, Payments, Failed: one amount, one customer, e-mail addresses made by a machine, one "
        "IP address or country? That is what the next steps block.\n"
        "3. Radar, Rules: block by what they share, as in `Block if :card_country: != :ip_country:` or `Block if "
        ":ip_address: = '…'`, and request 3D Secure where the risk is elevated. Radar for Fraud Teams has `Block if "
        ":total_charges_per_ip_address_hourly: > 5`.\n"
        "4. At your site: a CAPTCHA before the payment form, a limit for each address and session, no payment or setup "
        "without a session, and Stripe.js on every page. Is a publishable key used from elsewhere? Roll it "
        "(Developers, API keys).\n"
        "5. Refund what succeeded, before it is disputed: the charges of the same customer, amount and address.",
        tune="`min_cards` for the least number; at a busy tenant the level follows its attempts. `for` to wait longer.",
    ),
    cases=cases,
    habits=habits,
    panel=Panel(
        "Different cards that failed within ten minutes",
        "Cards, each once, and the number that would be card testing. Normal: a few, below the dashed line.",
        CARDS,
        LEVEL,
    ),
)
