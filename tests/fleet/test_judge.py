"""What counts as caught, masked, missed and false."""

from __future__ import annotations

from bw_simulator.fleet.calendar import DAY, HOUR, MINUTE, Calendar
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.past import Fleet, Truth
from bw_simulator.fleet.shops import FLEET
from truth import table
from truth.cause import cause
from truth.evaluate import EXPORTER_DOWN, Alert
from truth.judge import Outcome, judge

CALENDAR = Calendar()
FLEET_OF_ALL = Fleet(FLEET, (), CALENDAR, 1)
BEGIN = CALENDAR.at(5, 12)


def truth(trouble: Trouble, hours: float = 4, shop: str = "bakery", currency: str = "") -> Truth:
    incident = Incident(trouble, shop, 5, 12, hours, currency=currency)
    end = BEGIN + round(hours * HOUR)
    return Truth(incident, BEGIN, end, BEGIN + HOUR, end)


def alert(
    detector: str,
    after: int,
    length: int = HOUR,
    shop: str = "bakery",
    currency: str = "",
    severity: str = "critical",
) -> Alert:
    return Alert(detector, shop, currency, severity, BEGIN + after, BEGIN + after + length)


def test_a_new_alert_within_the_incident_catches_it_and_its_delay_counts_from_the_evidence() -> None:
    judgement = judge([alert("silent_lapse", HOUR + 600)], [truth(Trouble.ENDPOINT_DEAD)])
    assert [(one.outcome, one.delay) for one in judgement.verdicts] == [(Outcome.CAUGHT, 600)]
    assert judgement.false == []


def test_an_alert_that_fires_since_before_masks_the_incident_and_is_false() -> None:
    judgement = judge([alert("silent_lapse", -HOUR, 4 * HOUR)], [truth(Trouble.ENDPOINT_DEAD)])
    assert [one.outcome for one in judgement.verdicts] == [Outcome.MASKED]
    assert len(judgement.false) == 1


def test_an_incident_that_nobody_speaks_of_is_missed_and_another_shops_alert_is_false() -> None:
    judgement = judge([alert("silent_lapse", HOUR, shop="escape")], [truth(Trouble.ENDPOINT_DEAD)])
    assert [one.outcome for one in judgement.verdicts] == [Outcome.MISSED]
    assert len(judgement.false) == 1


def test_another_currency_catches_nothing() -> None:
    drop = truth(Trouble.CHECKOUT_DEAD, currency="eur")
    assert judge([alert("revenue_drop", HOUR, currency="usd")], [drop]).verdicts[0].outcome is Outcome.MISSED
    assert judge([alert("revenue_drop", HOUR, currency="eur")], [drop]).verdicts[0].outcome is Outcome.CAUGHT


def test_what_follows_from_an_incident_is_not_false() -> None:
    failing = truth(Trouble.PAYMENTS_FAIL)
    assert judge([alert("revenue_drop", 2 * HOUR)], [failing]).false == []
    assert judge([alert("fraud_spike", 2 * HOUR)], [failing]).false != []
    assert judge([alert("charge_failure_spike", 8 * HOUR)], [failing]).false != []


def test_a_silence_mutes_the_drop_of_its_shop_only_where_it_is_as_severe() -> None:
    drop = truth(Trouble.CHECKOUT_DEAD, hours=12)
    fires = alert("revenue_drop", 2 * HOUR, 8 * HOUR)
    for severity, delay in (("warning", HOUR), ("critical", 5 * HOUR)):
        silence = alert("silent_lapse", HOUR, 5 * HOUR, severity=severity)
        assert judge([silence, fires], [drop]).verdicts[0].delay == delay


def test_an_exporter_that_is_down_mutes_everything() -> None:
    down = Alert(EXPORTER_DOWN, "", "", "critical", BEGIN - DAY, BEGIN + DAY)
    assert judge([down, alert("silent_lapse", HOUR)], []).false == []


def test_a_false_alarm_is_named_by_its_kind() -> None:
    def why(detector: str, shop: str, day: float, hour: float) -> str:
        at = CALENDAR.at(day, hour)
        return cause(Alert(detector, shop, "", "", at, at + 60), FLEET_OF_ALL)

    assert why("silent_lapse", "bakery", 2, 3) == "night"
    assert why("silent_lapse", "parts", 5, 18) == "weekend"
    assert why("silent_lapse", "pottery", 2, 12) == "a shop with rare events"
    assert why("silent_lapse", "canteen", 15, 9) == "announced closure"
    assert why("revenue_drop", "paper", 14, 9) == "price cut"
    assert why("revenue_drop", "outlet", 15, 12) == "after a sales day"
    assert why("charge_failure_spike", "gym", 3, 6.5) == "morning of retries"
    assert why("charge_failure_spike", "box", 19, 2) == "renewal day and its dunning"
    assert why("webhook_lag", "gym", 2, 15) == "repeats after our own deploy"
    assert why("webhook_lag", "gym", 3, 15) == "a single straggler"
    assert why("charge_failure_spike", "fresh", 11, 3) == "import of old events"


def test_the_table_counts_by_detector_and_keeps_announced_closures_apart() -> None:
    closed = CALENDAR.at(15, 9)
    alerts = [
        alert("silent_lapse", HOUR + 12 * MINUTE),
        alert("silent_lapse", -5 * DAY),
        Alert("silent_lapse", "canteen", "", "warning", closed, closed + HOUR),
    ]
    printed = list(table.lines(judge(alerts, [truth(Trouble.ENDPOINT_DEAD)]), FLEET_OF_ALL))
    row = next(line for line in printed if line.startswith("silent_lapse"))
    assert row.split() == ["silent_lapse", "1", "1", "0", "0", "12", "min", "1", "0.05"]
    assert "announced closures: 1 alarms, counted apart" in printed
