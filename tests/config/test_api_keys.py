"""A tenant's API key: where it may be, and which keys are refused with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bw_exporter.config.tenants import CatchUp, Tenants

ENTRY = "tenants: {{prod: {{webhook_secret: whsec_a, {}}}}}"


@pytest.mark.parametrize("where", ["api_key: rk_live_abc", "api_key_env: PROD_RK", "api_key_file: rk"])
def test_a_key_stands_in_the_file_in_the_environment_or_in_a_file_of_its_own(
    config: Callable[..., Tenants], tmp_path: Path, where: str
) -> None:
    (tmp_path / "rk").write_text("rk_live_abc\n")
    assert config(ENTRY.format(where), PROD_RK="rk_live_abc").all[0].api_key == "rk_live_abc"


def test_no_key_is_needed_and_none_is_shown(config: Callable[..., Tenants]) -> None:
    assert config(ENTRY.format("name: P")).all[0].api_key == ""
    assert "rk_live" not in repr(config(ENTRY.format("api_key: rk_live_abc")))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("api_key: sk_live_abc", "is a secret key, which can move money; make a restricted key"),
        ("api_key: rk_test_abc", "is a key of another mode; the tenant's is live: make one there"),
        ("mode: test, api_key: rk_live_abc", "the tenant's is test"),
        ("api_key: whsec_abc", "must begin with rk_live_ or rk_test_"),
        ("api_key: 'rk_live_a b'", "must be one key on one line"),
        ("api_key: 12", "must be text"),
        ("api_key: rk_live_a, api_key_env: RK", "are both given; keep one of them"),
        ("api_key_env: rk_live_abc", "holds a secret itself; put it under api_key"),
        ("api_key_file: nowhere", "the secret file nowhere, here "),
        ("catch_up: {every: 10s}", "must be a duration from 1m to 1h, such as 2m"),
        ("catch_up: {after: 0}", "must be a duration from 1m to 1h, such as 2m"),
    ],
)
def test_a_key_that_will_not_do_is_refused_with_the_way_out(
    mistakes: Callable[..., list[str]], given: str, told: str
) -> None:
    [said] = mistakes(ENTRY.format(given))
    assert told in said
    assert "_abc" not in said


def test_how_stripe_is_asked_is_merged_key_by_key_with_the_defaults(config: Callable[..., Tenants]) -> None:
    text = """
        defaults: {catch_up: {every: 10m}}
        tenants:
          a: {webhook_secret: whsec_a, catch_up: {after: 7m}}
          b: {webhook_secret: whsec_b, catch_up: {every: 0}}
    """
    first, second = config(text).all
    assert first.catch_up == CatchUp(600, 420)
    assert second.catch_up == CatchUp(0, 300)
