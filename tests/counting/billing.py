"""One customer's subscription and its invoices, in either of Stripe's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_simulator.shop.objects import invoices, subscriptions
from support.books import NOW, Books

if TYPE_CHECKING:
    from bw_simulator.shop.shapes import Shape


class Billing:
    """One customer's subscription and the invoices made of it."""

    def __init__(self, books: Books, shape: Shape = "new") -> None:
        self.books, self.shape = books, shape
        self.born_at = NOW - 30 * 86400

    def item(self, unit_amount: int | None = 2000, quantity: int | None = 1, **price: Any) -> dict[str, Any]:
        made = subscriptions.price(self.books.ids, unit_amount=unit_amount, **price)
        return subscriptions.subscription_item(
            self.books.ids, price=made, created_at=self.born_at, quantity=quantity, id="si_1"
        )

    def about(self, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
        fields = {"id": "sub_1", **fields}
        return subscriptions.subscription(
            self.books.ids, created_at=self.born_at, items=list(items), shape=self.shape, **fields
        )

    def tell(
        self, *items: dict[str, Any], stage: str = "created", at: int | None = None, **fields: Any
    ) -> None:
        at = self.born_at if at is None else at
        about = self.about(*items, **fields)
        self.books.send(f"customer.subscription.{stage}", about, created_at=at, shape=self.shape)

    def line(self, item: dict[str, Any], **fields: Any) -> dict[str, Any]:
        fields = {"period_start_at": NOW, "shape": self.shape, **fields}
        return invoices.subscription_line(self.books.ids, subscription="sub_1", item=item, **fields)

    def invoice(self, *lines: dict[str, Any], kind: str = "finalized", **fields: Any) -> dict[str, Any]:
        fields = {"subscription": "sub_1", "finalized_at": NOW, "created_at": NOW, **fields}
        about = invoices.invoice(self.books.ids, lines=list(lines), shape=self.shape, **fields)
        self.books.send(f"invoice.{kind}", about, shape=self.shape)
        return about
