from __future__ import annotations

from starting import exporter, start

__all__ = ["exporter", "start"]
