"""One tenants.yaml into several, each for an exporter, a store and a Prometheus of its own.

A tenant's shard follows from its id alone, by the hash of Prometheus' relabelling action `hashmod`; so a Prometheus
that scrapes everything can keep the same shard, and twice as many shards cut each in two.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.config.reading import yaml_strict
from bw_exporter.errors import BillingWatchError
from bw_rules import output
from bw_rules.render.yaml_text import HEADER

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants

_DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def shard_of(tenant: str, shards: int) -> int:
    """Return the shard of a tenant, from 0: the last eight bytes of its MD5, modulo the number of shards."""
    digest = hashlib.md5(tenant.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "big") % shards


def split(tenants: Tenants, shards: int, folder: Path | None) -> list[tuple[Path, int]]:
    """Write the file of each shard and the map of the proxy before them; return each path with its tenants' number.

    All but `tenants:` stands in every file. Without `folder` they are written beside the source, as relative paths of
    secrets in it are looked for there. Comments are lost, and merged keys written out. The map has a line
    `/webhooks/<path> <shard>` for each tenant. Raises BillingWatchError where a shard would be empty or a file cannot
    be written.
    """
    source = Path(tenants.source)
    folder = folder or source.parent
    root = yaml_strict.load(tenants.source).root
    assert root is not None
    section = next(value for key, value in root.value if key.value == "tenants")
    everyone, header = section.value, HEADER.format(source=PurePath(source).name)
    written = []
    for number in range(shards):
        section.value = [pair for pair in everyone if shard_of(pair[0].value, shards) == number]
        if not section.value:
            raise BillingWatchError(f"{source}: shard {number} would have no tenant; give fewer --shards")
        path = folder / f"{source.stem}.{number}-of-{shards}.yaml"
        text = yaml.serialize(root, Dumper=_DUMPER, allow_unicode=True, width=100_000)
        output.write(header + text, str(path))
        written.append((path, len(section.value)))
    lines = [f"/webhooks/{tenant.path} {shard_of(tenant.id, shards)}\n" for tenant in tenants.all]
    path = folder / f"{source.stem}.webhooks-of-{shards}.map"
    output.write("".join(lines), str(path))
    return [*written, (path, len(lines))]
