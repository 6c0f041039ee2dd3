"""An answer that is given once its work is durable, so that one transaction can hold many requests' work.

The view says what to commit and what to answer then. WSGI lets an application call `start_response` as late
as the first step of its iterable (PEP 3333, "The start_response() Callable"): any server that iterates has the
work committed alone, and ours commits what a pass of its loop has gathered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from bw_exporter.store import Store, Transaction
    from bw_exporter.store.protocol import Outcome


_log = logging.getLogger(__name__)


class DurableAnswer(Response):
    """A response that is not known before `work` is committed: `conclude` makes it from the outcome."""

    def __init__(
        self, work: Callable[[Transaction], Any], store: Store, conclude: Callable[[Outcome], Response]
    ) -> None:
        super().__init__(content_type="text/plain")  # werkzeug takes long to find out that there is none
        self.work = work
        self.store = store
        self.conclude = conclude

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Unanswered:
        """Return the body; nothing is committed or answered yet."""
        return Unanswered(self, environ, start_response)


class Unanswered:
    """The body of an answer that waits for its work."""

    def __init__(
        self, answer: DurableAnswer, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self.work = answer.work
        self._answer = answer
        self._environ = environ
        self._start_response = start_response

    def answered(self, outcome: Outcome) -> Iterable[bytes]:
        """Start the response that follows from the outcome, and return its body."""
        try:
            response = self._answer.conclude(outcome)
        except Exception:  # noqa: BLE001 - never a 500: Stripe would stop
            _log.exception("an event has no answer, Stripe will send it again")
            response = Response("not stored; send it again\n", 503, content_type="text/plain; charset=utf-8")
        return response(self._environ, self._start_response)

    def __iter__(self) -> Iterator[bytes]:
        """Commit the work by itself, and answer."""
        outcome: Outcome
        try:
            outcome = (self._answer.store.write(self.work), None)
        except Exception as error:  # noqa: BLE001 - `conclude` tells it
            outcome = (None, error)
        yield from self.answered(outcome)
