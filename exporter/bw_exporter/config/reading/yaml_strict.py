"""YAML read so that nothing changes its meaning on the way: the traps of YAML 1.1 are errors with a line.

PyYAML lets duplicate keys pass, reads `no:` as False and `12:30` as 750. Here keys are strings or errors,
numbers with a fraction are Decimal, and every value remembers where in the file it stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.config.reading import yaml_nodes
from bw_exporter.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = Any
"""What YAML may hold: mappings, lists, str, int, Decimal, bool, None, dates."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_Path = tuple[str | int, ...]

_COLLECTIONS = (f"{_TAG}map", f"{_TAG}seq")
_LONGEST_NUMBER = 64
_LONGEST_SHOWN = 80
_CIRCULAR = "an anchor may not contain itself; write the value out"
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, OverflowError, yaml.YAMLError)
"""What PyYAML raises on `!!bool maybe`, `!!timestamp soon` and the like."""


_NO_DECIMAL = "is no plain decimal number; write a number as 2.5, a text in quotes"
_NO_WHOLE = "YAML reads another number than it looks; write a number as 10, a text in quotes"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What YAML would silently change, at `path`; with `lost`, the value there could not be read at all."""

    path: tuple[str | int, ...]
    message: str
    line: int
    column: int
    lost: bool = False

    @property
    def problem(self) -> Problem:
        """The flaw as it is reported."""
        where = ".".join(redacted(str(part)) for part in self.path)
        if not where:
            return Problem(f"line {self.line}", self.message)
        return Problem(where, f"{self.message} (line {self.line})")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value and the places of its parts; with `flaws` it must not be used, but may be read on."""

    source: str
    value: Value
    root: yaml.Node | None = field(repr=False, compare=False)
    flaws: tuple[Flaw, ...] = ()

    def place(self, path: Sequence[object]) -> tuple[int, int]:
        """Return (line, column), from 1, of the key at `path` or of the deepest parent the file has of it."""
        node, mark = self.root, self.root.start_mark if self.root else None
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            mark, node = found
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def load(path: str) -> Document:
    """Read one YAML file. Raises ConfigError with every flaw."""
    document = read(path)
    if document.flaws:
        raise ConfigError(path, tuple(flaw.problem for flaw in document.flaws))
    return document


def read(path: str) -> Document:
    """Read one YAML file that may have flaws. Raises ConfigError if it is no YAML, or beyond yaml_nodes' bounds."""
    root = yaml_nodes.read(path).root
    walk = _Walk()
    value = walk.value(root, ()) if root is not None else None
    return Document(path, value, root, tuple(walk.flaws))


def _child(node: yaml.Node | None, part: object) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


class _Walk:
    """Turns nodes into values and gathers flaws; aliases of one node become one object."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self._constructor = yaml.constructor.SafeConstructor()
        self._done: dict[int, Value] = {}
        self._open: set[int] = set()
        self._checked: set[int] = set()

    def value(self, node: yaml.Node, path: _Path) -> Value:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        identity = id(node)
        if identity in self._done:
            return self._done[identity]
        if identity in self._open:
            self._flaw(node, path, _CIRCULAR, lost=True)
            return None
        if node.tag not in _COLLECTIONS:
            self._tag(node, path)
        self._open.add(identity)
        if isinstance(node, yaml.MappingNode):
            result: Value = self._mapping(node, path)
        else:
            result = [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        self._open.discard(identity)
        self._done[identity] = result
        return result

    def _mapping(self, node: yaml.MappingNode, path: _Path) -> dict[str, Any]:
        self._check_keys(node, path)
        self._merge(node, path)
        return {
            key.value: self.value(value, (*path, key.value))
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }

    def _merge(self, node: yaml.MappingNode, path: _Path) -> None:
        """Put what `<<` names into a mapping, each key once: its own win, and of several the first one named.

        What is merged has its own merges done first, so that a chain of them costs what it comes to and no more.
        """
        if all(key.tag != _MERGE for key, _ in node.value):
            return
        own = [pair for pair in node.value if pair[0].tag != _MERGE]
        named = [value for key, value in node.value if key.tag == _MERGE]
        merging, self._open = self._open, self._open | {id(node)}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for value in named:
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in reversed(sources):
                if not isinstance(source, yaml.MappingNode):
                    self._flaw(
                        source, path, "`<<` takes a mapping or a list of mappings; name one by its alias"
                    )
                elif id(source) in self._open:
                    self._flaw(source, path, _CIRCULAR)
                else:
                    self._check_keys(source, path)
                    self._merge(source, path)
                    merged.update(_by_name(source))
        self._open = merging
        node.value = own
        node.value = list({**merged, **_by_name(node)}.values())

    def _check_keys(self, node: yaml.MappingNode, path: _Path) -> None:
        if id(node) not in self._checked:
            self._checked.add(id(node))
            seen: dict[str, int] = {}
            for key, _ in node.value:
                self._check_key(key, path, seen)

    def _check_key(self, key: yaml.Node, path: _Path, seen: dict[str, int]) -> None:
        if key.tag == _MERGE:
            return
        if not isinstance(key, yaml.ScalarNode):
            self._flaw(key, path, "a key must be plain text; write it out")
            return
        path = (*path, key.value)
        if key.tag != f"{_TAG}str":
            kind = key.tag.removeprefix(_TAG)
            meant = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing"}
            read = meant.get(kind, f"a {kind}")
            text = redacted(key.value)
            self._flaw(key, path, f'YAML reads the key {text} as {read}; write it in quotes: "{text}"')
        if key.value in seen:
            first = seen[key.value]
            self._flaw(key, path, f"stands here twice (first on line {first}); keep one")
        seen.setdefault(key.value, key.start_mark.line + 1)

    def _scalar(self, node: yaml.ScalarNode, path: _Path) -> Value:
        tag = node.tag
        if tag == f"{_TAG}str":
            return node.value
        if tag == f"{_TAG}float":
            number = _decimal(node.value)
            if number is None:
                self._flaw(node, path, _NO_DECIMAL, lost=True)
            return number
        digits = node.value.lstrip("+-")
        if tag == f"{_TAG}int" and (":" in digits or "_" in digits or (digits != "0" and digits[:1] == "0")):
            self._flaw(node, path, _NO_WHOLE, lost=True)
            return None
        if tag not in yaml.constructor.SafeConstructor.yaml_constructors:
            self._tag(node, path)
            return None
        try:
            return self._constructor.construct_object(node)
        except _UNREADABLE:
            self._flaw(node, path, "YAML cannot read this value; put it in quotes", lost=True)
            return None

    def _tag(self, node: yaml.Node, path: _Path) -> None:
        self._flaw(
            node, path, f"has the tag {redacted(node.tag.removeprefix(_TAG))}; leave it out", lost=True
        )

    def _flaw(self, node: yaml.Node, path: _Path, message: str, *, lost: bool = False) -> None:
        mark = node.start_mark
        self.flaws.append(Flaw(path, message, mark.line + 1, mark.column + 1, lost))


def _by_name(node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    return {pair[0].value: pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)}


def _decimal(text: str) -> Decimal | None:
    """Return a finite number, exactly as written; a NaN would raise at each comparison from here on.

    Decimal takes 1e999999999 too, whose digits would fill all memory.
    """
    if "_" in text or len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _LONGEST_NUMBER else None


def redacted(text: str) -> str:
    """Return `text` fit for an error message: short, and whatever follows `whsec_` in it is left out."""
    head, found, _ = text.partition("whsec_")
    text = f"{head}whsec_…" if found else text
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
