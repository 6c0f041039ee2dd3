"""Asks a running Prometheus of somebody else's: every failure says what to do next, and no password is shown."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bw_exporter.errors import BillingWatchError
from bw_rules import web

_ANSWER_SECONDS = 120
_ABOUT_QUERY = "PromQL "
"""What a warning begins with that says something of the query; all others say that data is missing."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server's API. `url` may hold a user and a password, as in https://user:password@prometheus.example.com."""

    url: str

    @property
    def shown(self) -> str:
        """The address without user and password."""
        return web.redacted(self.url, self.url)

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series of a query at a moment; raises BillingWatchError."""
        return self._asked("query", {"query": query, "time": at})

    def range(self, query: str, start_at: int, end_at: int, step: int) -> list[dict[str, Any]]:
        """Return the series of a range query; raises BillingWatchError."""
        return self._asked("query_range", {"query": query, "start": start_at, "end": end_at, "step": step})

    def _asked(self, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        request = web.request(self.url, f"/api/v1/{path}", parameters)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                document = json.load(answer)
            result: list[dict[str, Any]] = document["data"]["result"]
            in_part = [one for one in document.get("warnings", ()) if not one.startswith(_ABOUT_QUERY)]
        except urllib.error.HTTPError as error:
            raise BillingWatchError(self._refused(error)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise BillingWatchError(
                f"{self.shown}: no Prometheus can be reached ({reason}); give its address, as in "
                "--prometheus http://127.0.0.1:9090"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise BillingWatchError(
                f"{self.shown}: what answers is no Prometheus; give the address under which /api/v1/query is"
            ) from error
        if in_part:
            raise BillingWatchError(
                f"{self.shown}: answers in part only ({'; '.join(in_part)}), so that what is missing would look like "
                "quiet; ask again once all of it answers, or give a Prometheus that has the whole"
            )
        return result

    def _refused(self, error: urllib.error.HTTPError) -> str:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return (
                f"{self.shown}: wants a user and a password ({error.code}); give them as "
                "BW_RULES_PROMETHEUS=https://USER:PASSWORD@HOST"
            )
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            return (
                f"{self.shown}: what answers is no Prometheus ({error.code}); give the address under which "
                "/api/v1/query is"
            )
        said = error.read(2000).decode(errors="replace")
        return f"{self.shown}: Prometheus refused a query ({error.code}): {said}"
