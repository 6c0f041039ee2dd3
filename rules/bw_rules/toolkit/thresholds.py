"""What thresholds are made of: durations, exact numbers and whole numbers with bounds, and their base model.

A bound's error text is complete (what is wrong and the way out), since the loader prints it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic_core import PydanticCustomError, core_schema

from bw_exporter.config import durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler


def problem(text: str) -> PydanticCustomError:
    """Return the error for a value that is well-formed and yet wrong; `text` says the way out."""
    return PydanticCustomError("threshold", "{text}", {"text": text})


@dataclass(frozen=True)
class Bounded:
    """Base of the kinds of values: `parse` turns what YAML gave into the value, or raises `problem`."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Validate by `parse` alone."""
        return core_schema.no_info_plain_validator_function(self.parse)

    def parse(self, value: object) -> Any:  # noqa: ANN401 - int or Decimal
        """Return the value; raise `problem`."""
        raise NotImplementedError

    def shown(self, value: object) -> str:
        """Return a value as tenants.yaml would have it."""
        return str(value)

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        raise NotImplementedError


@dataclass(frozen=True)
class DurationBetween(Bounded):
    """A Prometheus duration, as whole seconds, between two durations, and a multiple of `step`."""

    minimum: str
    maximum: str
    step: str = "1s"

    def parse(self, value: object) -> int:
        """Return seconds."""
        if isinstance(value, int) and not isinstance(value, bool) and value == 0:
            value = "0"
        if not isinstance(value, str):
            raise problem("must be a Prometheus duration with its unit, as in 5m")
        try:
            seconds = durations.parse(value)
        except ValueError as error:
            raise problem(f"is no duration; {error}") from None
        if not durations.parse(self.minimum) <= seconds <= durations.parse(self.maximum):
            raise problem(f"{value} is out of bounds; use {self.minimum} to {self.maximum}")
        if seconds % durations.parse(self.step):
            raise problem(f"{value} is no multiple of {self.step}; use one")
        return seconds

    def shown(self, value: object) -> str:
        """Return seconds as a duration."""
        return durations.render(value) if isinstance(value, int) and value else "0"

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        steps = "" if self.step == "1s" else f", in steps of {self.step}"
        return f"duration, {self.minimum} to {self.maximum}{steps}"


@dataclass(frozen=True)
class NumberBetween(Bounded):
    """An exact number with at most three decimals, as Decimal."""

    minimum: int
    maximum: int
    above: bool = False

    def parse(self, value: object) -> Decimal:
        """Return the exact number."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise problem("must be a number, as in 2.5")
        number = Decimal(value)
        if (
            not number.is_finite()
            or not self.minimum <= number <= self.maximum
            or (self.above and number == self.minimum)
        ):
            raise problem(f"{str(value)[:20]} is out of bounds; use a number {self._range}")
        if number != round(number, 3):
            raise problem("has too many decimals; use at most three")
        whole = number.to_integral_value()
        return whole if whole == number else number.normalize()  # 2.50 is 2.5, by name of its profile too

    @property
    def _range(self) -> str:
        return f"{'above' if self.above else 'from'} {self.minimum} to {self.maximum}"

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        return f"number {self._range}"


@dataclass(frozen=True)
class WholeBetween(Bounded):
    """A whole number."""

    minimum: int
    maximum: int

    def parse(self, value: object) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise problem("must be a whole number")
        if not self.minimum <= value <= self.maximum:
            raise problem(f"{str(value)[:20]} is out of bounds; use {self.minimum} to {self.maximum}")
        return value

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        return f"whole number, {self.minimum} to {self.maximum}"


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
    """Settings that every detector has; each detector's Thresholds add their own. Equal ones hash equal."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    enabled: bool = Field(default=True, description="With false, no rule of this detector covers the tenant.")
    severity: Severity = "warning"
    for_: For = 0
    keep_firing_for: KeepFiringFor = 0
    USUAL_WEEKS: ClassVar[int] = 4

    _weeks: int = PrivateAttr(USUAL_WEEKS)

    @property
    def weeks(self) -> int:
        """How many weeks of the past are compared with: the tenant's `past`, which is no key of a detector."""
        return self._weeks

    def over(self, weeks: int) -> Self:
        """Return the same thresholds for a tenant with that many weeks of past."""
        if not self.reads_past or weeks == self._weeks:
            return self
        changed = self.model_copy()
        changed._weeks = weeks  # noqa: SLF001 - of a copy of the same class
        return changed

    @property
    def reads_past(self) -> bool:
        """Whether the tenant's `past` makes a difference."""
        return False


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
        return frozenset() if self.fixed else self.only_fixed

    def to_read(self, given: Mapping[str, object]) -> str:
        """Return what to write so that the keys of a section are read."""
        keys = ", ".join(f"{key}: {value}" for key, value in given.items())
        return f"remove it, or write {{sensitivity: fixed, {keys}}} to go by thresholds alone"
