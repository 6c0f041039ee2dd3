"""Every metric this project exposes: name, type, help, labels and buckets; one file a subject.

The store keys its rows by a family's `number` and by the finished text of a line up to the value, so a
number is never used again and a changed name or label needs a migration that rewrites the stored lines.
"""

from __future__ import annotations

from bw_exporter.metrics.catalog.delivery import *
from bw_exporter.metrics.catalog.disputes import *
from bw_exporter.metrics.catalog.exporter import *
from bw_exporter.metrics.catalog.findings import *
from bw_exporter.metrics.catalog.payments import *
from bw_exporter.metrics.catalog.subscriptions import *
from bw_exporter.metrics.catalog.tenants import *
from bw_exporter.metrics.family import Family

FAMILIES: tuple[Family, ...] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Family)), key=lambda f: f.number)
)
"""All families, in the order of the exposition."""
