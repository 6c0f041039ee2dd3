"""What a metric family is, and its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.money import OTHER


@dataclass(frozen=True, slots=True)
class Label:
    """One label beside `tenant`: every value it can take, and those exported at 0 from the start."""

    name: str
    values: tuple[str, ...]
    initial: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric family; there is one object of each, so that hashing it costs nothing.

    `per_tenant` families carry the label `tenant`. `stored` ones live in the store under `number`;
    the others follow from the configuration or from the serving process. One that is not `from_start` has no
    series until its first change: it tells of what may not be there.
    """

    number: int
    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[Label, ...] = ()
    per_tenant: bool = True
    stored: bool = True
    from_start: bool = True
    buckets: tuple[int, ...] = ()

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names that samples of this family carry."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (self.name,)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of all labels, `tenant` first; a histogram's `le` is not among them."""
        own = tuple(label.name for label in self.labels)
        return ("tenant", *own) if self.per_tenant else own


def closed(name: str, values: tuple[str, ...]) -> Label:
    """A short list, exported whole from the start."""
    return Label(name, values, values)


def open_ended(name: str, values: tuple[str, ...], *initial: str) -> Label:
    """A long list: most series appear with their first increment; `initial`, and `other`, are there from the start."""
    rest = (OTHER,) if OTHER in values else ()
    return Label(name, values, (*initial, *rest))


CURRENCY = open_ended("currency", lists.CURRENCIES)
