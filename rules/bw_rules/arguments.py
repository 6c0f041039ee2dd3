"""What may follow the flags of bw-rules: each kind is read by one function, which says what to give instead."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from bw_rules.render import receiver_fields

if TYPE_CHECKING:
    from bw_rules.render.receiver_fields import Version

_MOST_SHARDS = 1000


def job(text: str) -> str:
    """Return the name of a scrape job."""
    if not text.strip():
        raise argparse.ArgumentTypeError("give the exporter's job_name in Prometheus; none is called nothing")
    return text


def label(text: str) -> tuple[str, str]:
    """Return a label's name and value."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    return name, value


def shards(text: str) -> int:
    """Return a number of shards."""
    if not text.isdecimal() or not 1 < int(text) <= _MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"give a whole number from 2 to {_MOST_SHARDS}")
    return int(text)


def version(text: str) -> Version:
    """Return the version of an Alertmanager whose receivers' fields are known."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?", text)
    if match is None:
        raise argparse.ArgumentTypeError("write it as 0.27")
    found = int(match[1]), int(match[2])
    if found < receiver_fields.OLDEST:
        oldest = receiver_fields.dotted(receiver_fields.OLDEST)
        raise argparse.ArgumentTypeError(
            f"{oldest} is the oldest whose fields are known here; give that, and ask your amtool check-config"
        )
    return found
