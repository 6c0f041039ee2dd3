"""What settings are made of: durations, exact numbers, whole numbers and names, within bounds.

A bound's error text is complete (what is wrong and the way out), since the loader prints it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError, core_schema

from bw_exporter.config import durations

if TYPE_CHECKING:
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
class OrAuto(Bounded):
    """A value of another kind, or the word `auto`."""

    kind: Bounded

    def parse(self, value: object) -> Any:  # noqa: ANN401 - of the kind, or the word
        """Return the value or the word."""
        try:
            return value if value == "auto" else self.kind.parse(value)
        except PydanticCustomError as error:
            raise problem(f"{error.message()}; or auto") from None

    def shown(self, value: object) -> str:
        """Return the value as tenants.yaml would have it."""
        return "auto" if value == "auto" else self.kind.shown(value)

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        return f"`auto`, or a {self.kind.text}"


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


@dataclass(frozen=True)
class NamesUpTo(Bounded):
    """A list of distinct names, each of 1 to 40 characters, as a tuple."""

    most: int

    def parse(self, value: object) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise problem("must be a list of names, as in [order_id]")
        if not all(isinstance(name, str) and 1 <= len(name) <= _LONGEST_NAME for name in value):
            raise problem(f"must hold names of 1 to {_LONGEST_NAME} characters; quote what is no text")
        if len(value) > self.most or len(set(value)) < len(value):
            raise problem(f"must hold at most {self.most} names, each once")
        return tuple(value)

    def shown(self, value: object) -> str:
        """Return the names as YAML has a list."""
        return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)

    @property
    def text(self) -> str:
        """The kind and its bounds, for the reference."""
        return f"list of at most {self.most} names"


_LONGEST_NAME = 40
"""The longest key that Stripe allows in an object's metadata (docs.stripe.com/metadata)."""
