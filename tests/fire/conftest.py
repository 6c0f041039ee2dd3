from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "server"), str(Path(__file__).parents[2])]

from starting import exporter, start

__all__ = ["exporter", "start"]
