"""The exporter's half of the detectors' settings: what its checks decide by.

The rules' thresholds of the same detector extend these models, so that a default stands once. A tenant that was
loaded without the rules' thresholds has the defaults.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bw_exporter.config import durations
from bw_exporter.config.values import DurationBetween, NamesUpTo, WholeBetween, problem
from bw_exporter.metrics.catalog import LAG_BUCKETS_SECONDS, WEBHOOK_LAG


class CheckSettings(BaseModel):
    """Settings of one check; equal ones hash equal."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DuplicateChargeSettings(CheckSettings):
    """What the exporter takes for a duplicate charge; durations in seconds."""

    window: Annotated[int, DurationBetween("1s", "7d")] = Field(
        300, description="Two equal charges of one payer within this time are duplicates."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        120, description="How long a refund or an explanation is waited for before the duplicate counts."
    )
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after a duplicate was found."
    )
    card_present: Literal["ignore", "count"] = Field(
        "ignore",
        description="Whether cards held to a terminal are compared: each tap is a consent of its own.",
    )
    distinct_metadata: Annotated[tuple[str, ...], NamesUpTo(10)] = Field(
        (),
        description="Keys of a charge's metadata, such as `order_id`: two charges with different values of one "
        "are different purchases.",
    )


class InvoiceMismatchSettings(CheckSettings):
    """What the exporter takes for a wrong invoice; `tolerance` in minor units, durations in seconds."""

    tolerance: Annotated[int, WholeBetween(0, 10**12)] = Field(
        0, description="Minor units a line may be off beyond the rounding slack of under 1."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        900, description="How long a late subscription event is waited for before the mismatch counts."
    )
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after a mismatch was found."
    )


class InvoiceCheckSettings(CheckSettings):
    """What checks of whole invoices take; durations in seconds."""

    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        900, description="How long a void, a credit note or a late event is waited for before it counts."
    )
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after one was found."
    )


def _bucket(seconds: int) -> int:
    """Only a bucket's bound can be counted exactly."""
    if seconds in LAG_BUCKETS_SECONDS:
        return seconds
    place = bisect_left(LAG_BUCKETS_SECONDS, seconds)
    near = " or ".join(f"{bound}s" for bound in LAG_BUCKETS_SECONDS[max(place - 1, 0) : place + 1])
    raise problem(f"{durations.render(seconds)} is no bucket of {WEBHOOK_LAG.name}; use {near}")


class WebhookLagSettings(CheckSettings):
    """What the exporter shows as late, in seconds."""

    max_lag: Annotated[int, DurationBetween("0", "365d"), AfterValidator(_bucket)] = Field(
        30, description="An event may take this long to arrive; must be a bucket of the histogram."
    )
    window: Annotated[int, DurationBetween("1m", "1d")] = Field(
        900, description="The time in which late events are counted."
    )


Model = TypeVar("Model", bound=CheckSettings)

_DEFAULTS: dict[type[CheckSettings], CheckSettings] = {}


def in_force(detectors: Mapping[str, Any], name: str, model: type[Model]) -> Model:
    """Return the settings of a detector as a tenant has them.

    >>> in_force({}, "duplicate_charge", DuplicateChargeSettings).window
    300
    """
    settings = detectors.get(name)
    if isinstance(settings, model):
        return settings
    if model not in _DEFAULTS:
        _DEFAULTS[model] = model()
    default = _DEFAULTS[model]
    assert isinstance(default, model)
    return default
