"""`python -m bw_exporter` is `bw-exporter`."""

from __future__ import annotations

import sys

from bw_exporter.cli import main

sys.exit(main())
