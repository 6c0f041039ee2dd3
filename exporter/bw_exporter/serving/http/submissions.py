"""Answering in the loop over a store that lies across a network: each request's work is submitted at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.serving.http.in_loop import InLoop

if TYPE_CHECKING:
    from bw_exporter.serving.http.in_loop import Waiting


class Submissions(InLoop):
    """Answers when the outcome comes back to the loop."""

    def _put_off(self, waiting: Waiting) -> None:
        self._submit(waiting)

    def _go_on(self, *, idle: bool) -> None:
        """Nothing is left to the loop."""
