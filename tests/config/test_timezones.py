from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bw_exporter.config import timezones
from bw_exporter.config.tenants import Tenants


def test_a_tenant_has_four_weeks_and_utc_unless_it_says_otherwise(config: Callable[..., Tenants]):
    tenants = config(
        "defaults: {past: 2w, timezone: Asia/Kathmandu}\n"
        "tenants: {a: {webhook_secret: whsec_a}, b: {webhook_secret: whsec_a, past: 4w, timezone: UTC}}"
    )
    assert [(one.past, one.timezone) for one in tenants.all] == [("2w", "Asia/Kathmandu"), ("4w", "UTC")]
    assert tenants.default_past == "2w"
    plain = config("tenants: {a: {webhook_secret: whsec_a}}")
    assert (plain.all[0].past, plain.all[0].timezone, plain.default_past) == ("4w", "UTC", "4w")


@pytest.mark.parametrize(
    ("name", "moment", "offset"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), 3600),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC), 7200),
        ("America/New_York", datetime(2026, 11, 1, 5, 59, 59, tzinfo=UTC), -14400),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC), -18000),
        ("Asia/Kathmandu", datetime(2026, 7, 1, tzinfo=UTC), 20700),
        ("UTC", datetime(2026, 7, 1, tzinfo=UTC), 0),
    ],
)
def test_the_offset_changes_at_the_second_the_clock_does(name: str, moment: datetime, offset: int):
    assert timezones.utc_offset_seconds(name, moment.timestamp()) == offset


def test_where_there_is_no_database_utc_works_and_others_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(__import__("sys").modules, "tzdata", None)
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        assert timezones.utc_offset_seconds("UTC", 0) == 0
        with pytest.raises(ValueError, match="install the system's package tzdata"):
            timezones.zone("Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(
    "address",
    ["grafana.example.com/d", "https://g/d?x=1", "https://{{ .x }}/d", "ftp://g/d", "https://g:99999/d"],
)
def test_dashboards_stand_under_an_address_of_the_web(mistakes: Callable[..., list[str]], address: str):
    (line,) = mistakes(
        f"defaults: {{dashboard_base: '{address}'}}\ntenants: {{a: {{webhook_secret: whsec_a}}}}"
    )
    assert line.startswith("defaults.dashboard_base: must be the address that dashboards stand under")
