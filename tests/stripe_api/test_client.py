"""What a request to Stripe's API returns, and what each kind of failure becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bw_exporter.stripe_api.client import StripeClient
from bw_exporter.stripe_api.clients import Repeating, of_accounts
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.pace import Pace
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, Drop, FakeStripe, Refusal

from .conftest import KEY


def failure(server: FakeStripe, path: str = "/v1/events") -> StripeApiError:
    with pytest.raises(StripeApiError) as caught:
        StripeClient(KEY, base_url=server.url).get(path)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fake_stripe.REVOKED, "authentication"),
        (fake_stripe.forbidden("rak_event_read"), "permission"),
        (fake_stripe.RATE_LIMITED, "rate_limited"),
        (fake_stripe.BROKEN, "other"),
        (fake_stripe.HTML, "other"),
        (Refusal(200, "<html>"), "other"),
        (Refusal(200, "[1]"), "other"),
        (Drop(), "unreachable"),
    ],
)
def test_each_failure_has_one_of_five_reasons(
    account: Account, server: FakeStripe, answer: Refusal | Drop, reason: str
) -> None:
    account.failing.append(answer)
    assert failure(server).reason == reason


def test_a_missing_permission_is_said_in_stripes_words_and_without_the_key(
    account: Account, server: FakeStripe
) -> None:
    account.failing.append(fake_stripe.forbidden("rak_event_read"))
    said = str(failure(server))
    assert "Having the 'rak_event_read' permission would allow this request" in said
    assert "rk_live" not in said


def test_how_long_to_wait_after_too_many_requests_is_what_stripe_says(
    account: Account, server: FakeStripe
) -> None:
    account.failing.append(Refusal.error(429, "Too many", "rate_limit", Retry_After="7"))
    assert failure(server).retry_after_seconds == 7


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(StripeApiError) as caught:
        StripeClient(KEY, base_url="http://127.0.0.1:1").get("/v1/events")
    assert caught.value.reason == "unreachable"


def test_a_key_with_a_line_break_works_and_a_netrc_does_not_replace_it(
    account: Account, server: FakeStripe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert StripeClient(f"{KEY}\n", base_url=server.url).get("/v1/events")["data"] == []
    assert account.asked == ["/v1/events"]


def test_requests_of_one_account_are_spaced_evenly_whoever_makes_them() -> None:
    now, waited = [0.0], []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    pace = Pace(5, clock=lambda: now[0], sleep=sleep)
    for _ in range(4):
        pace.wait()
    now[0] += 60
    pace.wait()
    assert waited == pytest.approx([0.2, 0.2, 0.2])


def test_a_request_that_failed_for_a_moment_is_repeated_and_one_that_is_refused_is_not(
    account: Account, server: FakeStripe
) -> None:
    waited: list[float] = []
    client = Repeating(StripeClient(KEY, base_url=server.url), wait=waited.append)
    account.failing += [fake_stripe.RATE_LIMITED, fake_stripe.HTML]
    assert client.get("/v1/events")["data"] == []
    assert waited == [1, 2]
    for refused, times in (
        ([fake_stripe.BROKEN, Drop(), fake_stripe.BROKEN], 3),
        ([fake_stripe.forbidden("rak_event_read")], 1),
        ([fake_stripe.REVOKED], 1),
        ([Refusal.error(429, "Too many", "rate_limit", Retry_After="900")], 1),
    ):
        account.failing.extend(refused)
        account.asked.clear()
        with pytest.raises(StripeApiError):
            client.get("/v1/events")
        assert len(account.asked) == times
        assert not account.failing


def test_two_accounts_share_connections_and_neither_is_asked_with_the_key_of_the_other(
    server: FakeStripe, account: Account
) -> None:
    client = of_accounts(server.url)
    other = server.account("rk_test_other")
    account.add({"id": "evt_1", "created": 1, "type": "payout.paid"})
    one, two = client(KEY), client("rk_test_other")
    assert [len(each.get("/v1/events")["data"]) for each in (one, two, one)] == [1, 0, 1]  # type: ignore[arg-type]
    assert [len(account.asked), len(other.asked)] == [2, 1]
