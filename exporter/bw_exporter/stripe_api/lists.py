"""Walking a list of Stripe's, newest first, without a hole and without telling an object twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bw_exporter.stripe_api.errors import CursorGoneError, StripeApiError

PAGE = 100
"""The most objects that Stripe puts on a page."""

Json = dict[str, object]


class Client(Protocol):
    """What makes a request; StripeClient does."""

    def get(self, path: str, **parameters: object) -> dict[str, object]:
        """Return the JSON object at a path. Raises StripeApiError."""


def walk(client: Client, path: str, since_at: int, until_at: int, **filters: object) -> Iterator[Json]:
    """Give each object of the list at `path` that was created from `since_at` to `until_at`, newest first.

    The next page begins after the last object of the one before, so that objects which appear meanwhile shift
    nothing. Where Stripe no longer knows that object, the walk goes on by time, from the same second, and
    begins its pages after objects that are known. A page that is
    empty and says that there is more is an error: what is not read must not count as read. Raises StripeApiError.
    """
    newest_at, cursor = until_at, ""
    of_that_second: set[str] = set()
    gone: set[str] = set()
    while True:
        after = {"starting_after": cursor} if cursor else {}
        try:
            page = client.get(
                path, limit=PAGE, created={"gte": since_at, "lte": newest_at}, **after, **filters
            )
        except CursorGoneError:
            if not cursor:
                raise
            gone.add(cursor)
            cursor = ""
            continue
        found, more = page.get("data"), page.get("has_more")
        if not isinstance(found, list) or (more and not found):
            raise StripeApiError("other", f"{path} was answered by a page that is no list")
        cursor = ""
        for each in found:
            own_id, created_at = _place(each, path)
            cursor = cursor if own_id in gone else own_id
            if created_at < newest_at:
                newest_at, of_that_second = created_at, set()
            if own_id not in of_that_second:
                of_that_second.add(own_id)
                yield each
        if not more:
            return
        if not cursor:
            raise StripeApiError("other", f"{path} lists objects that Stripe no longer knows")


def _place(each: object, path: str) -> tuple[str, int]:
    """Return where an object stands in its list: its id, and when it was created."""
    if isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("created"), int):
        return each["id"], each["created"]
    raise StripeApiError("other", f"{path} lists an object without id or time of creation")
