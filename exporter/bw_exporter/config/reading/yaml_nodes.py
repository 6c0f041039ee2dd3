"""YAML as nodes, read within bounds: a short file can hold millions of values, and end a parser by depth alone.

libyaml's own composer calls itself for each level, so that 40,000 brackets overflow its stack. An alias costs four
bytes and may stand for everything above it. Here the depth and the number of values are counted while the file is
read, each alias as what it stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from bw_exporter.config.reading import files
from bw_exporter.errors import ConfigError, Problem

MOST_BYTES = 16 << 20
DEEPEST = 100
MOST_VALUES = 1_000_000
"""Keys, texts, lists and mappings. 10,000 tenants with 20 keys each have 400,000."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Nodes:
    """A file as nodes; aliases of one node are one object. `root` is None where the file is empty.

    `circular_line` is the line of the first alias that stands inside of what it names, 0 without any.
    """

    root: yaml.Node | None
    circular_line: int


def read(path: str) -> Nodes:
    """Read one YAML file. Raises ConfigError if it cannot be read, is no YAML, or is beyond the bounds."""
    try:
        text = files.read(path, MOST_BYTES).decode("utf-8")
    except files.UnreadableFileError as error:
        raise _error(path, "file", f"cannot be read ({error}); give the path of a regular file") from error
    except UnicodeDecodeError as error:
        raise _error(path, "file", "is not UTF-8 text; save it as UTF-8") from error
    if _TAG_DIRECTIVE.search(text):  # libyaml compares each with all before it
        raise _error(path, "file", "has a %TAG directive; leave it out")
    loader = _LOADER(text)
    composer = _Composer(loader, path)
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = f"{error.problem or 'cannot be parsed'}; correct it"
        if error.problem_mark and _is_tab(text, error.problem_mark):
            said = "a tab stands where YAML wants spaces; indent with spaces"
        raise _error(path, f"line {line}", f"is no YAML: {said}") from None
    except yaml.YAMLError:
        raise _error(path, "file", "is no YAML: it holds characters YAML forbids; remove them") from None
    finally:
        loader.dispose()
    return Nodes(root, composer.circular_line)


def _error(path: str, where: str, said: str) -> ConfigError:
    return ConfigError(path, (Problem(where, said),))


def _is_tab(text: str, mark: yaml.Mark) -> bool:
    [line] = text.splitlines()[mark.line : mark.line + 1] or [""]
    return line[mark.column : mark.column + 1] == "\t"


@dataclass(slots=True)
class _Part:
    """A node with what it comes to once its aliases are followed: values in it, and levels below it."""

    node: yaml.Node
    values: int = 1
    levels: int = 0
    is_open: bool = False


class _Composer:
    """Makes nodes of a parser's events."""

    def __init__(self, loader: Any, path: str) -> None:  # noqa: ANN401 - of one of two classes
        self.circular_line = 0
        self._loader = loader
        self._path = path
        self._anchors: dict[str, _Part] = {}

    def document(self) -> yaml.Node | None:
        """Return the root of the file's only document."""
        self._loader.get_event()  # the stream starts
        if self._loader.check_event(yaml.StreamEndEvent):
            return None
        self._loader.get_event()  # the document starts
        root = self._part(self._loader.get_event(), 0).node
        self._loader.get_event()  # the document ends
        event = self._loader.get_event()
        if not isinstance(event, yaml.StreamEndEvent):
            raise yaml.MarkedYAMLError(problem="another document begins", problem_mark=event.start_mark)
        return root

    def _part(self, event: Any, depth: int) -> _Part:  # noqa: ANN401 - of one of many classes
        anchor: Any = event.anchor
        mark: Any = event.start_mark
        line = mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            part = self._anchors.get(anchor)
            if part is None:
                raise yaml.MarkedYAMLError(problem="this alias has no anchor above it", problem_mark=mark)
            if part.is_open:
                self.circular_line = self.circular_line or line
            elif depth + part.levels > DEEPEST:
                raise _error(self._path, f"line {line}", "is nested too deeply; flatten it")
            return part
        if anchor in self._anchors:
            raise yaml.MarkedYAMLError(problem="this anchor's name is taken above", problem_mark=mark)
        part = self._begun(event)
        if anchor is not None:
            self._anchors[anchor] = part
        if not isinstance(event, yaml.ScalarEvent):
            if depth >= DEEPEST:
                raise _error(self._path, f"line {line}", "is nested too deeply; flatten it")
            self._fill(part, depth + 1)
        return part

    def _begun(self, event: Any) -> _Part:  # noqa: ANN401 - of one of many classes
        """Return the node that an event begins, still empty."""
        tag: str | None = event.tag
        start: Any = event.start_mark
        end: Any = event.end_mark
        if isinstance(event, yaml.ScalarEvent):
            if tag is None or tag == "!":
                tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
            return _Part(yaml.ScalarNode(tag, event.value, start, end, event.style))
        kind = yaml.SequenceNode if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingNode
        if tag is None or tag == "!":
            tag = self._loader.resolve(kind, None, event.implicit)
        return _Part(kind(tag, [], start, end, event.flow_style), is_open=True)

    def _fill(self, part: _Part, depth: int) -> None:
        """Read a list's or a mapping's parts, up to its end."""
        content, get_event = part.node.value, self._loader.get_event
        is_mapping = isinstance(part.node, yaml.MappingNode)
        while not isinstance(event := get_event(), yaml.CollectionEndEvent):
            inner = self._part(event, depth)
            self._take(part, inner, event)
            if is_mapping:
                event = get_event()
                value = self._part(event, depth)
                self._take(part, value, event)
                content.append((inner.node, value.node))
            else:
                content.append(inner.node)
        part.is_open = False

    def _take(self, part: _Part, inner: _Part, event: Any) -> None:  # noqa: ANN401 - of one of many classes
        part.values += inner.values
        part.levels = max(part.levels, inner.levels + 1)
        if part.values > MOST_VALUES:
            said = f"holds more than {MOST_VALUES:,} values, each alias counted as what it stands for"
            raise _error(
                self._path, f"line {event.start_mark.line + 1}", f"{said}; write less, or `bw-rules split` it"
            )
