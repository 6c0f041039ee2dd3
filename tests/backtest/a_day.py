"""A day that a Prometheus remembers of two tenants: a duplicate charge of each, and four late events of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

DAY = 86_400
FIRST_AT = 1_700_006_400
UNTIL_AT = FIRST_AT + DAY
FOUND_AT = FIRST_AT + DAY // 2
LATE_AT = FOUND_AT + 4 * 3600
LATE = 4
TENANTS = """\
tenants:
  prod: {webhook_secret: whsec_x}
  idle: {webhook_secret: whsec_y, detectors: {duplicate_charge: {hold: 3h}}}
"""

_LAG = "billing_webhook_lag_seconds"


def openmetrics() -> str:
    """Return the past, scraped every minute."""
    return "\n".join([*_lines(), "# EOF\n"])


def _lines() -> Iterator[str]:
    yield from _family("billing_tenant_created_timestamp_seconds", "gauge", lambda _, __: FIRST_AT - 90 * DAY)
    yield from _family("billing_duplicate_charges", "counter", lambda _, at: int(at >= FOUND_AT), "_total")
    yield from _family(
        "billing_last_duplicate_charge_timestamp_seconds",
        "gauge",
        lambda _, at: FOUND_AT if at >= FOUND_AT else 0,
    )
    yield f"# TYPE {_LAG} histogram"

    def late(tenant: str, at: int) -> int:
        return LATE if tenant == "prod" and at >= LATE_AT else 0

    for name, le, value in (
        ("_bucket", "30.0", lambda _, __: 0),
        ("_bucket", "259200.0", late),
        ("_bucket", "+Inf", late),
        ("_count", "", late),
    ):
        yield from _series(_LAG + name, value, f'le="{le}"' if le else "")
    yield "# TYPE up gauge"
    yield from (f'up{{job="billing-exporter",instance="a"}} 1 {at}' for at in _moments())


def _family(name: str, kind: str, value: Callable[[str, int], int], suffix: str = "") -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    yield from _series(name + suffix, value)


def _series(name: str, value: Callable[[str, int], int], more: str = "") -> Iterator[str]:
    for tenant in ("idle", "prod"):
        labels = f'{{job="billing-exporter",instance="a",tenant="{tenant}"{more and f",{more}"}}}'
        yield from (f"{name}{labels} {value(tenant, at)} {at}" for at in _moments())


def _moments() -> range:
    return range(FIRST_AT, UNTIL_AT + 1, 60)
