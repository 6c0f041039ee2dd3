"""What the shop sells, in each of its currencies."""

from __future__ import annotations

from dataclasses import dataclass

from bw_simulator.shop import objects
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Monthly prices from small to large, and the amounts of single purchases, all in one currency."""

    currency: str
    prices: tuple[Json, ...]
    amounts: tuple[int, ...]


_MONTHLY = {"usd": (900, 2900, 9900), "eur": (800, 2500, 8900), "jpy": (1200, 4200, 14800)}
_SINGLE = {
    "usd": (1500, 2400, 4900, 7900, 12900, 24900),
    "eur": (1400, 2200, 4500, 7500, 11900, 22900),
    "jpy": (2000, 3500, 7200, 11800, 19800, 36800),
}
CURRENCIES = tuple(_MONTHLY)


def catalogue(ids: Ids, currency: str) -> Catalogue:
    """Return what is sold in one of CURRENCIES."""
    prices = tuple(objects.price(ids, unit_amount=amount, currency=currency) for amount in _MONTHLY[currency])
    return Catalogue(currency, prices, _SINGLE[currency])
