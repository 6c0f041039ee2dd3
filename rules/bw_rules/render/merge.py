"""Our routing put into an alertmanager.yml that others wrote, which keeps everything they had but comments.

The file is handled as YAML nodes, so that no value of theirs is read and written as something else.
"""

from __future__ import annotations

from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.config.alerting.alertmanager_file import keys_under_global
from bw_exporter.config.alerting.receivers import NOBODY
from bw_exporter.config.problems import MOST_PROBLEMS
from bw_exporter.config.reading import yaml_nodes
from bw_exporter.errors import ConfigError, Problem
from bw_rules.render import base_shape, inhibition
from bw_rules.render.alertmanager import OURS
from bw_rules.render.yaml_text import HEADER, dump

if TYPE_CHECKING:
    from bw_rules.render.alertmanager import Routing

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For what we wrote ourselves."""


def merge(base: str, ours: Routing, source: str) -> str:
    """Return the file at `base` with our routes first, our receivers and inhibitions last.

    What an earlier merge put there is replaced. Raises ConfigError if the base cannot be read, has a receiver of its
    own with a name of ours, or sends to a receiver of an earlier merge that is no more.
    """
    root = _read(base)
    route = _get(root, "route")
    assert isinstance(route, yaml.MappingNode)
    routes = _list(route, "routes")
    earlier = [node for node in routes.value if _is_ours(node)]
    replaced = {name for node in earlier for name in _receivers_of(node)} - {NOBODY}
    routes.value = [_node(_subtree(ours)), *(node for node in routes.value if node not in earlier)]
    receivers = _list(root, "receivers")
    theirs = [node for node in receivers.value if _name(node) not in replaced]
    names = {_name(node) for node in theirs}
    clashes = [
        Problem(f"receivers.{one['name']}", "the base has a receiver of that name; rename one of the two")
        for one in ours.receivers
        if one["name"] in names and one["name"] != NOBODY
    ]
    if any(_name(node) == NOBODY and _sends(node) for node in theirs):
        said = "the base's own sends somewhere, and what is to reach no one would go there; rename it in the base"
        clashes.append(Problem(f"receivers.{NOBODY}", said))
    if clashes:
        raise ConfigError(base, tuple(clashes))
    gone = replaced - names - {one["name"] for one in ours.receivers}
    said = "the base's own routes send to it, and it is not made here any more; name another there, or add it again"
    if left := tuple(Problem(f"receivers.{name}", said) for name in sorted(gone & _receivers_of(route))):
        raise ConfigError(base, left)
    receivers.value = [*theirs, *(_node(one) for one in ours.receivers if one["name"] not in names)]
    rules = _list(root, "inhibit_rules")
    theirs = [node for node in rules.value if not inhibition.is_ours(_texts(node, "source_matchers"))]
    rules.value = [*theirs, *(_node(rule) for rule in ours.inhibit_rules)]
    return HEADER.format(source=f"{PurePath(base).name} and {PurePath(source).name}") + _text(root)


def global_keys(base: str) -> frozenset[str]:
    """Return the keys under `global:` of the file at `base`. Raises ConfigError if it cannot be read."""
    return keys_under_global(_read(base))


def _subtree(ours: Routing) -> dict[str, Any]:
    return {
        "matchers": list(OURS),
        "receiver": NOBODY,
        "group_by": ["tenant", "alertname"],
        "routes": ours.routes,
    }


def _read(base: str) -> yaml.MappingNode:
    """Read the base within the bounds of yaml_nodes. Raises ConfigError naming each part of a wrong kind."""
    nodes = yaml_nodes.read(base)
    if nodes.circular_line:
        said = "an anchor may not contain itself; write the value out"
        raise ConfigError(base, (Problem(f"line {nodes.circular_line}", said),))
    root = nodes.root
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(base, (Problem("file", "is no mapping; give an alertmanager.yml"),))
    if problems := tuple(islice(base_shape.problems(root), MOST_PROBLEMS)):
        raise ConfigError(base, problems)
    _keep_times(root)
    return root


def _keep_times(root: yaml.Node) -> None:
    """Quote `9:00`, which is a number to PyYAML alone, or it would be written with a tag Alertmanager refuses."""
    for node in base_shape.every(root):
        if isinstance(node, yaml.ScalarNode) and ":" in node.value and node.tag.endswith((":int", ":float")):
            node.tag, node.style = "tag:yaml.org,2002:str", '"'


def _get(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _list(node: yaml.MappingNode, key: str) -> yaml.SequenceNode:
    """Return the list under `key`, made if it is not there."""
    found = _get(node, key)
    if isinstance(found, yaml.SequenceNode):
        return found
    node.value = [(name, value) for name, value in node.value if name.value != key]
    made = yaml.SequenceNode("tag:yaml.org,2002:seq", [], flow_style=False)
    node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), made))
    return made


def _is_ours(node: yaml.Node) -> bool:
    """Whether the route is the subtree of an earlier merge, whatever alerts there were then."""
    matchers = _texts(node, "matchers")
    first = OURS[0].partition('"')[0]
    return len(matchers) == len(OURS) and matchers[0].startswith(first) and matchers[1:] == [*OURS[1:]]


def _texts(node: yaml.Node, key: str) -> list[str]:
    """Return the texts of the list under `key`; none where there is no list."""
    found = _get(node, key) if isinstance(node, yaml.MappingNode) else None
    return [str(one.value) for one in found.value] if isinstance(found, yaml.SequenceNode) else []


def _receivers_of(route: yaml.Node) -> set[str]:
    """Return the receivers of a route and of all below it, which base_shape has found to be routes."""
    found = set()
    for one in base_shape.routes(route):
        receiver = _get(one, "receiver")
        found |= {str(receiver.value)} if receiver else set()
    return found


def _name(node: yaml.Node) -> str:
    name = _get(node, "name") if isinstance(node, yaml.MappingNode) else None
    return str(name.value) if name else ""


def _sends(receiver: yaml.Node) -> bool:
    """Whether a receiver has anything but its name."""
    return isinstance(receiver, yaml.MappingNode) and len(receiver.value) > 1


def _node(value: object) -> yaml.Node:
    node: yaml.Node = _LOADER(dump(value, "")).get_single_node()
    return node


def _text(node: yaml.Node) -> str:
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=100_000)
    return text
