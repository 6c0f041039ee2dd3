"""YAML read so that nothing changes its meaning on the way: the traps of YAML 1.1 are errors with a line.

PyYAML lets duplicate keys pass, reads `no:` as False and `12:30` as 750. Here keys are strings or errors,
numbers with a fraction are Decimal, and every value remembers where in the file it stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bw_exporter.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = Any
"""What YAML may hold: mappings, lists, str, int, Decimal, bool, None, dates."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_Path = tuple[str | int, ...]

_DEEPEST = 100
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
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
    """Read one YAML file that may have flaws. Raises ConfigError if it is no YAML at all."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(path, (Problem("file", f"cannot be read ({reason}); give its path"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, (Problem("file", "is not UTF-8 text; save it as UTF-8"),)) from error
    loader = _LOADER(text)
    try:
        _check_depth(text, path)
        root = loader.get_single_node()
        walk = _Walk(loader)
        value = walk.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = f"{error.problem or 'cannot be parsed'}; correct it"
        if error.problem_mark and _is_tab(text, error.problem_mark):
            said = "a tab stands where YAML wants spaces; indent with spaces"
        raise ConfigError(path, (Problem(f"line {line}", f"is no YAML: {said}"),)) from None
    except yaml.YAMLError:
        problem = Problem("file", "is no YAML: it holds characters YAML forbids; remove them")
        raise ConfigError(path, (problem,)) from None
    finally:
        loader.dispose()
    return Document(path, value, root, tuple(walk.flaws))


def _check_depth(text: str, path: str) -> None:
    """Refuse deep nesting before nodes are made of it: libyaml's stack overflows there and ends the process."""
    loader, depth = _LOADER(text), 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _DEEPEST:
                problem = Problem(f"line {event.start_mark.line + 1}", "is nested too deeply; flatten it")
                raise ConfigError(path, (problem,))
    finally:
        loader.dispose()


def _is_tab(text: str, mark: yaml.Mark) -> bool:
    [line] = text.splitlines()[mark.line : mark.line + 1] or [""]
    return line[mark.column : mark.column + 1] == "\t"


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

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.flaws: list[Flaw] = []
        self._loader = loader
        self._done: dict[int, Value] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: _Path) -> Value:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        identity = id(node)
        if identity in self._done:
            return self._done[identity]
        if identity in self._open:
            self._flaw(node, path, "an anchor may not contain itself; write the value out", lost=True)
            return None
        self._open.add(identity)
        if isinstance(node, yaml.MappingNode):
            result: Value = self._mapping(node, path)
        else:
            result = [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        self._open.discard(identity)
        self._done[identity] = result
        return result

    def _mapping(self, node: yaml.MappingNode, path: _Path) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            self._check_key(key, path, seen)
        if any(key.tag == _MERGE for key, _ in node.value):
            self._loader.flatten_mapping(node)
            # Each key once: merges of merges would double it again and again.
            named = {pair[0].value: pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)}
            node.value = list(named.values())
        return {
            key.value: self.value(value, (*path, key.value))
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }

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
        try:
            return self._loader.construct_object(node)
        except _UNREADABLE:
            self._flaw(node, path, "YAML cannot read this value; put it in quotes", lost=True)
            return None

    def _flaw(self, node: yaml.Node, path: _Path, message: str, *, lost: bool = False) -> None:
        mark = node.start_mark
        self.flaws.append(Flaw(path, message, mark.line + 1, mark.column + 1, lost))


def _decimal(text: str) -> Decimal | None:
    """Return a finite number, exactly as written; a NaN would raise at each comparison from here on."""
    if "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def redacted(text: str) -> str:
    """Return `text` fit for an error message: whatever follows `whsec_` in it is left out."""
    head, found, _ = text.partition("whsec_")
    return f"{head}whsec_…" if found else text
