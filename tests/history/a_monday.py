"""When the pasts of these tests end."""

from __future__ import annotations

END_AT = 1_790_000_000
"""A Monday, 2026-09-21 14:13:20 UTC."""
