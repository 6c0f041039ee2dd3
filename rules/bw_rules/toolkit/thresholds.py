"""What thresholds are made of: the base model of every detector's, and the kinds of values in them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from bw_exporter.config.values import Bounded, DurationBetween, NumberBetween, OrAuto, WholeBetween, problem
from bw_exporter.metrics.catalog import LAG_BUCKETS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Base",
    "Bounded",
    "DurationBetween",
    "Enabled",
    "For",
    "KeepFiringFor",
    "NumberBetween",
    "OrAuto",
    "Sensitivity",
    "Severity",
    "Weighed",
    "WholeBetween",
    "problem",
]

Enabled = Annotated[
    bool,
    Field(description="With false, no rule of this detector covers the tenant."),
]
Severity = Annotated[
    Literal["critical", "warning", "info"],
    Field(description="Severity of the alert, and which receivers it reaches."),
]
For = Annotated[
    int,
    DurationBetween("0", "1d"),
    Field(alias="for", description="How long it must last before the alert fires."),
]
KeepFiringFor = Annotated[
    int,
    DurationBetween("0", "7d"),
    Field(description="How long the alert goes on after its condition has ended."),
]


class Base(BaseModel):
    """Settings that every detector has; each detector's Thresholds add their own. Equal ones hash equal.

    A detector whose Thresholds say `enabled: Enabled = False` is off until tenants.yaml says `enabled: true`, in
    `defaults` or in a tenant. Its other keys have no effect before that, and whoever gives them is told so.

    `ASKS_STRIPE` says that the detector judges what Stripe answered: a tenant without an API key has none of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    enabled: Enabled = True
    severity: Severity = "warning"
    for_: For = 0
    keep_firing_for: KeepFiringFor = 0
    USUAL_WEEKS: ClassVar[int] = 4
    ASKS_STRIPE: ClassVar[bool] = False
    USUAL_OLD_SECONDS: ClassVar[int] = 300

    _weeks: int = PrivateAttr(USUAL_WEEKS)
    _old_seconds: int = PrivateAttr(USUAL_OLD_SECONDS)

    @property
    def weeks(self) -> int:
        """How many weeks of the past are compared with: the tenant's `past`, which is no key of a detector."""
        return self._weeks

    @property
    def old_seconds(self) -> int:
        """How old an event was when it came, from which on it says nothing of now: a bound of the lag's buckets."""
        return self._old_seconds

    def of_tenant(self, weeks: int, catch_up_after: int) -> Self:
        """Return the same thresholds for a tenant with that many weeks of past and that `catch_up.after` (seconds)."""
        weeks = weeks if self.reads_past else self._weeks
        old = _bucket(catch_up_after) if self.reads_old_events else self._old_seconds
        if (weeks, old) == (self._weeks, self._old_seconds):
            return self
        changed = self.model_copy()
        changed._weeks, changed._old_seconds = weeks, old  # noqa: SLF001 - of a copy of the same class
        return changed

    @property
    def reads_past(self) -> bool:
        """Whether the tenant's `past` makes a difference."""
        return False

    @property
    def reads_old_events(self) -> bool:
        """Whether the detector abstains while many events are old, so that `catch_up.after` makes a difference."""
        return False

    @classmethod
    def off_until_asked_for(cls) -> bool:
        """Tell whether the detector is off for a tenant that says nothing."""
        return not cls.model_fields["enabled"].default

    def unread(self) -> frozenset[str]:
        """Return the keys that have no effect beside the others."""
        if self.enabled or not self.off_until_asked_for():
            return frozenset()
        return frozenset(field.alias or name for name, field in type(self).model_fields.items()) - {"enabled"}

    def to_read(self, given: Mapping[str, object]) -> str:
        """Return what to write so that the keys of a section are read."""
        keys = ", ".join(f"{key}: {value}" for key, value in given.items())
        return f"this alert is off until asked for: write {{enabled: true, {keys}}}"


def _bucket(seconds: int) -> int:
    """The lowest bound of the lag's buckets that is not below."""
    return LAG_BUCKETS_SECONDS[bisect_left(LAG_BUCKETS_SECONDS, seconds)]


Sensitivity = Literal["low", "normal", "high", "fixed"]


class Weighed(Base):
    """Thresholds of a detector that weighs evidence, or with `sensitivity: fixed` takes the thresholds alone.

    `only_fixed` are the keys that are read with `fixed` alone.
    """

    only_fixed: ClassVar[frozenset[str]] = frozenset()

    sensitivity: Sensitivity = Field(
        "normal",
        description="How sure the alert must be that it is no chance: `low` fires rarely, `high` early. With `fixed` "
        "the thresholds alone decide.",
    )

    @property
    def fixed(self) -> bool:
        """Whether the thresholds alone decide."""
        return self.sensitivity == "fixed"

    @property
    def reads_past(self) -> bool:
        """Evidence is weighed against the tenant's past."""
        return not self.fixed

    def unread(self) -> frozenset[str]:
        """Return the keys that have no effect beside the others."""
        return super().unread() or (frozenset() if self.fixed else self.only_fixed)

    def to_read(self, given: Mapping[str, object]) -> str:
        """Return what to write so that the keys of a section are read."""
        if super().unread():
            return super().to_read(given)
        keys = ", ".join(f"{key}: {value}" for key, value in given.items())
        return f"remove it, or write {{sensitivity: fixed, {keys}}} to go by thresholds alone"
