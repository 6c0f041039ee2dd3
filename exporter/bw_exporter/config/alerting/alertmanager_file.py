"""What of an existing alertmanager.yml decides whether a receiver is complete: the keys under its `global:`."""

from __future__ import annotations

import yaml

from bw_exporter.config.reading import yaml_nodes


def global_keys(path: str) -> frozenset[str]:
    """Return the keys under `global:` of the file, none where it has none. Raises ConfigError if it cannot be read."""
    return keys_under_global(yaml_nodes.read(path).root)


def keys_under_global(root: yaml.Node | None) -> frozenset[str]:
    """Return the keys under `global:` of a whole file's node."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = [value for key, value in pairs if key.value == "global" and isinstance(value, yaml.MappingNode)]
    return frozenset(str(key.value) for value in found for key, _ in value.value)
