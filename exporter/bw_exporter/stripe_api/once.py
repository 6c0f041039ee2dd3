"""Asking the same only once: tenants of one account are told the same by it."""

from __future__ import annotations

from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import Client, Json


class Once:
    """A client that remembers answers, and refusals that last; for as long as a probe takes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answers: dict[str, Json | StripeApiError] = {}

    def get(self, path: str, **parameters: object) -> Json:
        """Return the JSON object at a path. Raises StripeApiError."""
        asked = f"{path} {sorted(parameters.items())}"
        if asked not in self._answers:
            try:
                self._answers[asked] = self._client.get(path, **parameters)
            except StripeApiError as error:
                if error.temporary:
                    raise
                self._answers[asked] = error
        found = self._answers[asked]
        if isinstance(found, StripeApiError):
            raise found
        return found
