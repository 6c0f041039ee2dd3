from __future__ import annotations

from support.starting import exporter, start

__all__ = ["exporter", "start"]
