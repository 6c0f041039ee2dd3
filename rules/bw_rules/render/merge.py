"""Our routing put into an alertmanager.yml that others wrote, which keeps everything they had but comments.

The file is handled as YAML nodes, so that no value of theirs is read and written as something else.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.config.receivers import NOBODY
from bw_exporter.errors import ConfigError, Problem
from bw_rules.render import inhibition
from bw_rules.render.alertmanager import OURS
from bw_rules.render.yaml_text import HEADER, dump

if TYPE_CHECKING:
    from bw_rules.render.alertmanager import Routing

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def merge(base: str, ours: Routing, source: str) -> str:
    """Return the file at `base` with our routes first, our receivers and inhibitions last.

    What an earlier merge put there is replaced. Raises ConfigError if the base cannot be read, has a receiver of its
    own with a name of ours, or sends to a receiver of an earlier merge that is no more.
    """
    root = _read(base)
    route = _get(root, "route")
    if not isinstance(route, yaml.MappingNode):
        raise ConfigError(base, (Problem("route", "is missing; give a complete alertmanager.yml"),))
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
    found = _get(_read(base), "global")
    return frozenset(
        str(name.value) for name, _ in (found.value if isinstance(found, yaml.MappingNode) else ())
    )


def _subtree(ours: Routing) -> dict[str, Any]:
    return {
        "matchers": list(OURS),
        "receiver": NOBODY,
        "group_by": ["tenant", "alertname"],
        "routes": ours.routes,
    }


def _read(base: str) -> yaml.MappingNode:
    try:
        loader = _LOADER(Path(base).read_text(encoding="utf-8"))
        root = loader.get_single_node()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is no YAML"
        raise ConfigError(
            base, (Problem("file", f"cannot be read ({reason}); give an alertmanager.yml"),)
        ) from None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(base, (Problem("file", "is no mapping; give an alertmanager.yml"),))
    _keep_times(root)
    return root


def _keep_times(node: yaml.Node) -> None:
    """Quote `9:00`, which is a number to PyYAML alone, or it would be written with a tag Alertmanager refuses."""
    if isinstance(node, yaml.ScalarNode):
        if ":" in node.value and node.tag.endswith((":int", ":float")):
            node.tag, node.style = "tag:yaml.org,2002:str", '"'
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            _keep_times(value)
    else:
        for item in node.value:
            _keep_times(item)


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


def _receivers_of(node: yaml.Node) -> set[str]:
    found = set()
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == "receiver":
                found.add(value.value)
            elif name.value == "routes":
                for child in value.value:
                    found |= _receivers_of(child)
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
