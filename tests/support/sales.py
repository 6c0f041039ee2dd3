"""Distinct sales, made as fast as they can be sent: one is built as Stripe tells of it, the next are its copies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

from bw_simulator.shop.events import body
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.sales import new_buyer, one_off_sale

AMOUNT = 4200
"""What every sale brings, in minor units."""

_NUMBER = "numberplace"


class _OpenIds(Ids):
    """Ids with a place for the sale's number, so that a copy of all events is a replacement of bytes."""

    def new(self, prefix: str) -> str:
        self._given += 1
        return f"{prefix}_{self._seed}{_NUMBER}{self._given:02}"

    def fingerprint(self) -> str:
        return self.new("card")


def sales(name: str) -> Iterator[bytes]:
    """Give the bodies of one sale's events after the other's, without end; `name` tells one sender's from another's.

    Each sale is another buyer's and made the second it is given, so that nothing of it is a duplicate or late.
    """
    bodies, made_at = list[bytes](), 0
    for number in count():
        now = int(time.time())
        if now != made_at:
            bodies, made_at = _told(name, now), now
        for each in bodies:
            yield each.replace(_NUMBER.encode(), b"x%dx" % number)


def _told(name: str, now: int) -> list[bytes]:
    ids = _OpenIds(name)
    _, events = one_off_sale(ids, now, buyer=new_buyer(ids), amount=AMOUNT)
    return [body(each) for each in events]
