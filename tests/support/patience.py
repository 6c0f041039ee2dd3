"""How long a test waits for what happens at once on a quiet machine, before it says that it never came.

A limit guards against waiting for ever; it measures nothing. So it is generous, and a machine that is slow or busy
beyond that gets more by `TEST_PATIENCE=10 make test`.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("TEST_PATIENCE", "4"))


def limit(seconds: float) -> float:
    """Return the seconds to wait for what takes at most `seconds` on a quiet machine with two cores."""
    return seconds * FACTOR
