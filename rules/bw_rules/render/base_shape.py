"""What has to be a list, a mapping or a text in an alertmanager.yml that we merge into.

The source is Alertmanager's documentation. Only what the merge reads or adds to is judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import yaml

from bw_exporter.errors import Problem

_NULL = "tag:yaml.org,2002:null"


def problems(root: yaml.MappingNode) -> Iterator[Problem]:
    """Yield each part that is not what it must be, with its line and what it must be."""
    yield from _plain_keys(root)
    route = _value(root, "route")
    if route is None:
        yield Problem("route", "is missing; give a complete alertmanager.yml")
    else:
        yield from _route(route, "route")
    yield from _items(root, "receivers", "receivers", _receiver)
    yield from _items(root, "inhibit_rules", "inhibit_rules", _inhibition)
    shared = _value(root, "global")
    if shared is not None and not isinstance(shared, yaml.MappingNode) and shared.tag != _NULL:
        yield _must(shared, "global", "be a mapping")


def every(root: yaml.Node) -> Iterator[yaml.Node]:
    """Yield every node once, whatever aliases name it, but for keys."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            left += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value


def routes(route: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Yield a route and every one below it."""
    if isinstance(route, yaml.MappingNode):
        yield route
        below = _value(route, "routes")
        for one in below.value if isinstance(below, yaml.SequenceNode) else ():
            yield from routes(one)


def _route(node: yaml.Node, where: str) -> Iterator[Problem]:
    if not isinstance(node, yaml.MappingNode):
        yield _must(node, where, "be a mapping: `receiver: NAME` and more below it")
        return
    yield from _plain_keys(node)
    receiver = _value(node, "receiver")
    if receiver is not None and not isinstance(receiver, yaml.ScalarNode):
        yield _must(receiver, f"{where}.receiver", "be the name of one receiver")
    yield from _items(node, "matchers", f"{where}.matchers", _text)
    yield from _items(node, "routes", f"{where}.routes", _route)


def _receiver(node: yaml.Node, where: str) -> Iterator[Problem]:
    if not isinstance(node, yaml.MappingNode):
        yield _must(node, where, "be a mapping: `name: NAME` and more below it")
        return
    yield from _plain_keys(node)
    name = _value(node, "name")
    if not isinstance(name, yaml.ScalarNode):
        yield _must(name or node, f"{where}.name", "be the receiver's name")


def _inhibition(node: yaml.Node, where: str) -> Iterator[Problem]:
    if not isinstance(node, yaml.MappingNode):
        yield _must(node, where, "be a mapping")
        return
    yield from _plain_keys(node)
    yield from _items(node, "source_matchers", f"{where}.source_matchers", _text)


def _text(node: yaml.Node, where: str) -> Iterator[Problem]:
    if not isinstance(node, yaml.ScalarNode):
        yield _must(node, where, "be a matcher in quotes")


def _items(
    node: yaml.MappingNode, key: str, where: str, each: Callable[[yaml.Node, str], Iterator[Problem]]
) -> Iterator[Problem]:
    found = _value(node, key)
    if found is None or found.tag == _NULL:
        return
    if not isinstance(found, yaml.SequenceNode):
        yield _must(found, where, "be a list")
        return
    for number, item in enumerate(found.value):
        yield from each(item, f"{where}.{number}")


def _plain_keys(node: yaml.MappingNode) -> Iterator[Problem]:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            yield Problem(f"line {key.start_mark.line + 1}", "a key must be plain text; write it out")


def _value(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _must(node: yaml.Node, where: str, be: str) -> Problem:
    return Problem(where, f"must {be}; correct it (line {node.start_mark.line + 1})")
