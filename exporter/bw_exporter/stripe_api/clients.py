"""A client for each account: paced, sharing connections with the others, and repeating what failed for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from bw_exporter.stripe_api.client import Json, StripeClient, connections
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import Client
from bw_exporter.stripe_api.pace import REQUESTS_A_SECOND_IN_ALL, REQUESTS_A_SECOND_OF_ACCOUNT, Pace

Wait = Callable[[float], object]
"""Waits for so many seconds, or until there is no more reason to."""


class Repeating:
    """A client that makes a request again where Stripe asks to slow down, has a fault or does not answer.

    Without it a long list would never be read whole while a few requests in a hundred fail.
    """

    def __init__(
        self, client: Client, *, attempts: int = 3, longest_seconds: float = 10.0, wait: Wait = time.sleep
    ) -> None:
        """A request is made `attempts` times at most; one that has to wait for longer is not repeated."""
        self._client, self._attempts, self._longest_seconds, self._wait = (
            client,
            attempts,
            longest_seconds,
            wait,
        )

    def get(self, path: str, **parameters: object) -> Json:
        """Return the JSON object at `path`. Raises StripeApiError as the last attempt did."""
        for failed in range(self._attempts):
            try:
                return self._client.get(path, **parameters)
            except StripeApiError as error:
                seconds = max(error.retry_after_seconds or 0.0, min(2.0**failed, self._longest_seconds))
                last = failed == self._attempts - 1
                if last or not error.temporary or seconds > self._longest_seconds:
                    raise
                self._wait(seconds)
        raise AssertionError("there is at least one attempt")


def of_accounts(
    base_url: str | None, *, attempts: int = 3, longest_seconds: float = 10.0, wait: Wait = time.sleep
) -> Callable[[str], Client]:
    """Return what makes the client of a key, for one process. `base_url` is another server than Stripe's.

    The others are those of Repeating.
    """
    http, in_all = connections(), Pace(REQUESTS_A_SECOND_IN_ALL)

    def client(key: str) -> Client:
        paces = (Pace(REQUESTS_A_SECOND_OF_ACCOUNT), in_all)
        one = StripeClient(key, paces, base_url=base_url, http=http)
        return Repeating(one, attempts=attempts, longest_seconds=longest_seconds, wait=wait)

    return client
