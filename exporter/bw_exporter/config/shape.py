"""The shape of tenants.yaml, key by key; the configuration reference is made from these models."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bw_exporter.config import durations, timezones, urls

RESERVED_LABELS = frozenset(
    "alertname currency detector instance job severity shard tenant threshold_profile".split()
)
"""Labels that the rules set themselves, and `shard`, by which silences keep to their shard; none may be hidden."""

MOST_EVENTS = 10**9
"""The largest rate and burst; far beyond what comes, and exact where the limiter reckons in floats."""

MINUTE_SECONDS, HOUR_SECONDS = 60, 3600

Mode = Literal["live", "test"]
RevenueBasis = Literal["charge", "payment_intent", "invoice"]
DestinationCharges = Literal["ignore", "count"]
Past = Literal["4w", "2w"]

_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _path_token(token: str) -> str:
    if not _PATH_TOKEN.fullmatch(token):
        raise PydanticCustomError(
            "path_token", "must be 1 to 128 letters, digits, `_` or `-`; `openssl rand -hex 16` makes one"
        )
    return token


def _label_name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise PydanticCustomError(
            "label",
            "a label's name is letters, digits and `_`, not beginning with a digit or `__`; rename it",
        )
    if name in RESERVED_LABELS:
        raise PydanticCustomError(
            "label", "the label {name} is set by the rules or by Prometheus; rename yours", {"name": name}
        )
    return name


def _label_value(value: str) -> str:
    if "{{" in value:
        raise PydanticCustomError("label", "a label's value may not hold `{{`; it would be a template")
    return value


def _timezone(name: str) -> str:
    try:
        timezones.zone(name)
    except ValueError as error:
        raise PydanticCustomError("timezone", "{said}", {"said": str(error)}) from None
    return name


def _base(address: str) -> str:
    if not urls.is_base(address):
        raise PydanticCustomError(
            "url", "must be the address that dashboards stand under, as in https://grafana.example.com/d"
        )
    return address.rstrip("/")


def _every(value: object) -> int:
    return 0 if value in (0, "0") else _after(value)


def _after(value: object) -> int:
    try:
        seconds = durations.parse(value) if isinstance(value, str) else -1
    except ValueError as error:
        raise PydanticCustomError("duration", "{said}", {"said": str(error)}) from None
    if not MINUTE_SECONDS <= seconds <= HOUR_SECONDS:
        raise PydanticCustomError("duration", "must be a duration from 1m to 1h, such as 2m")
    return seconds


def _nothing_is_empty(value: object) -> object:
    return {} if value is None else value


_LabelName = Annotated[str, AfterValidator(_label_name)]
_LabelValue = Annotated[str, AfterValidator(_label_value)]


class Section(BaseModel):
    """A mapping of the file; keys it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RateLimitSection(Section):
    """Validly signed events that one tenant may send."""

    rate: Annotated[int, Field(ge=0, le=MOST_EVENTS)] | None = Field(
        None, description="Events per second that are let through for long; 0 means no limit.", examples=[500]
    )
    burst: Annotated[int, Field(ge=0, le=MOST_EVENTS)] | None = Field(
        None, description="Events that may come at once before the rate holds.", examples=[5000]
    )


class CatchUpSection(Section):
    """How Stripe is asked for events that no webhook brought; it takes an API key."""

    every: Annotated[int, BeforeValidator(_every)] | None = Field(
        None, description="How often Stripe is asked, 1m to 1h; `0` means never.", examples=["2m"]
    )
    after: Annotated[int, BeforeValidator(_after)] | None = Field(
        None,
        description="How old an event is before it counts as missed, 1m to 1h. While over a tenth of the events were "
        "older when they came, failures and disputes raise no alert, with a key or without; for that it is rounded up "
        "to a bound of `billing_webhook_lag_seconds`.",
        examples=["5m"],
    )


class Common(Section):
    """Keys that may stand in `defaults` and in each tenant, where they win."""

    mode: Mode | None = Field(
        None,
        description="Events of the other Stripe mode are ignored and counted.",
        examples=["live"],
    )
    rate_limit: Annotated[RateLimitSection, BeforeValidator(_nothing_is_empty)] = Field(
        RateLimitSection(), description="Limit on validly signed events; either key may be given alone."
    )
    revenue_basis: RevenueBasis | None = Field(
        None,
        description="What counts as revenue; never a sum of them.",
        examples=["charge"],
    )
    destination_charges: DestinationCharges | None = Field(
        None,
        description="Copies of destination charges (`source_transfer`): `count` where the tenant is the connected "
        "account that they are left on.",
        examples=["ignore"],
    )
    past: Past | None = Field(
        None,
        description="How much of the past the detectors compare with: `4w` or `2w`.",
        examples=["4w"],
    )
    timezone: Annotated[str, AfterValidator(_timezone)] | None = Field(
        None,
        description="IANA name of the shop's time zone. Its habits move with its clock, twice a year.",
        examples=["UTC"],
    )
    catch_up: Annotated[CatchUpSection, BeforeValidator(_nothing_is_empty)] = Field(
        CatchUpSection(),
        description="Asking Stripe for what no webhook brought, where there is an API key; and what is an old event.",
    )
    detectors: Any = Field(None, description="Thresholds by detector, merged key by key; see below.")
    notify: Any = Field(
        None, description="Names of receivers; a tenant's list replaces that of the defaults.", examples=[[]]
    )
    labels: Annotated[dict[_LabelName, _LabelValue], BeforeValidator(_nothing_is_empty)] = Field(
        {}, description="Static labels on the alerts; a tenant's are added to those of the defaults."
    )


class Defaults(Common):
    """What every tenant has that says nothing else."""

    dashboard_base: Annotated[str, AfterValidator(_base)] | None = Field(
        None,
        description="Address of Grafana's dashboards, which alerts link to; the flag of `bw-rules` wins.",
        examples=["http://localhost:3000/d"],
    )


class TenantEntry(Common):
    """One Stripe account, or one mode of it."""

    name: str | None = Field(None, description="Name that people read.", examples=["the tenant's id"])
    webhook_secret_file: Any = Field(
        None, description="File with the signing secret; a list while rolling it."
    )
    webhook_secret_env: Any = Field(
        None, description="Environment variable with the signing secret; or a list."
    )
    webhook_secret: Any = Field(None, description="The signing secret itself, `whsec_…`; or a list.")
    api_key_file: Any = Field(
        None, description="File with a restricted API key, `rk_…`, that may only read; optional."
    )
    api_key_env: Any = Field(None, description="Environment variable with the restricted API key.")
    api_key: Any = Field(None, description="The restricted API key itself.")
    path_token: Annotated[str, AfterValidator(_path_token)] | None = Field(
        None, description="Unguessable last part of the webhook's URL, instead of the tenant's id."
    )


class WatchdogSection(Section):
    """Where exporter alerts go."""

    notify: Any = Field(
        None,
        description="Receivers of alerts about the exporter itself and of tenants that name none.",
        examples=["receivers no tenant names, else all"],
    )
    heartbeat: str | None = Field(
        None, description="Receiver that BillingWatchdog, which always fires, is sent to each minute."
    )
