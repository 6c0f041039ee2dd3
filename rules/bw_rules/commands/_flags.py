"""What several commands of bw-rules take.

The variables are BW_RULES_…, so that bw-exporter, which has flags of the same names, is not meant; BW_CONFIG_FILE is
for both.
"""

from __future__ import annotations

from functools import partial

from bw_exporter.command_line import flags
from bw_exporter.config import tenants
from bw_exporter.config.problems import nearest
from bw_exporter.config.tenants import Tenants
from bw_exporter.errors import BillingWatchError, ConfigError
from bw_rules.detectors import DETECTORS, THRESHOLDS

flag = partial(flags.flag, prefix="BW_RULES_")

config_file = flags.config_file
output = flag("--output", "Where it is written, instead of standard output.", metavar="FILE")


def load(path: str) -> Tenants:
    """Read a tenants.yaml without its secrets; raises ConfigError, for keys without an effect too."""
    found = tenants.load(path, detectors=THRESHOLDS, read_secrets=False)
    if found.unread:
        raise ConfigError(found.source, found.unread)
    return found


def known_detector(name: str) -> None:
    """Raise BillingWatchError, naming the nearest, where there is no such detector."""
    if name not in DETECTORS:
        ways_out = nearest(name, DETECTORS, f"use {', '.join(DETECTORS)}")
        raise BillingWatchError(f"there is no detector {name}; {ways_out}")
