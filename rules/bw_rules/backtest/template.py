"""Expands an annotation as Prometheus does: the part of its template language that our annotations are written in.

What a template asks Prometheus is asked through a function, so that an annotation can be expanded for a moment of
the past, which Prometheus itself does not offer.
"""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bw_exporter.errors import BillingWatchError

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|:=|=|\||\(|\)|\$\w*(?:\.\w+)*|\.\w+(?:\.\w+)*|\.|-?\d+(?:\.\d+)?|\w+)'
)
_NUMBER = re.compile(r"%\.\d+f")
_ESCAPED = re.compile(r"\\(.)")
_LARGE, _SMALL = ("", "k", "M", "G", "T", "P"), ("", "m", "u", "n", "p")
_THOUSAND = 1000


class UnknownTemplateError(BillingWatchError):
    """A template uses what this module does not know."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer at one moment."""

    labels: Mapping[str, str]
    value: float


Query = Callable[[str], Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class _Node:
    """Text, or an action (`if`, `with`, `range`, or none of them) with what is inside and what is after `else`."""

    text: str = ""
    keyword: str = ""
    words: tuple[str, ...] = ()
    inside: list[_Node] = field(default_factory=list)
    otherwise: list[_Node] = field(default_factory=list)


def expand(template: str, labels: Mapping[str, str], value: float, query: Query) -> str:
    """Return the text for an alert with these labels and this value; raises UnknownTemplateError.

    >>> expand("{{ $labels.tenant }}: {{ $value | humanizeDuration }}", {"tenant": "prod"}, 5400, lambda _: [])
    'prod: 1h 30m 0s'
    """
    scope = _Scope(query, ChainMap({"$labels": labels, "$value": value}))
    return "".join(_written(_parsed(template), scope, None))


def queries(template: str) -> list[str]:
    """Return every query of a template, each label in it as `x`, each number as 1; raises UnknownTemplateError."""
    found: list[str] = []

    def visit(nodes: list[_Node]) -> None:
        for node in nodes:
            if "query" in node.words:
                texts = [_unquoted(word) for word in node.words if word[0] == '"']
                found.extend(_NUMBER.sub("1", text).replace("%s", "x") for text in texts)
            visit(node.inside)
            visit(node.otherwise)

    visit(_parsed(template))
    return found


@dataclass(frozen=True, slots=True)
class _Scope:
    """The variables of a block and of those around it."""

    query: Query
    variables: ChainMap[str, Any]

    def inner(self) -> _Scope:
        return _Scope(self.query, self.variables.new_child())

    def assign(self, name: str, value: object) -> None:
        self._holder(name)[name] = value

    def get(self, name: str) -> Any:  # noqa: ANN401 - a template's values have no type
        return self._holder(name)[name]

    def _holder(self, name: str) -> MutableMapping[str, Any]:
        for variables in self.variables.maps:
            if name in variables:
                return variables
        raise UnknownTemplateError(f"the template has no variable {name}")


def _parsed(template: str) -> list[_Node]:
    """Return the nodes of a template."""
    root: list[_Node] = []
    into, open_nodes = root, []
    place = 0
    for action in _ACTION.finditer(template):
        if action.start() > place:
            into.append(_Node(template[place : action.start()]))
        place = action.end()
        words = _words(action[1])
        match words[:1]:
            case ["if" | "with" | "range" as keyword]:
                node = _Node(keyword=keyword, words=words[1:])
                into.append(node)
                open_nodes.append((into, node, True))
                into = node.inside
            case ["else"] if open_nodes:
                outer, node, _ = open_nodes[-1]
                into = node.otherwise
                if words[1:2] == ("if",):
                    node = _Node(keyword="if", words=words[2:])
                    into.append(node)
                    open_nodes.append((outer, node, False))
                    into = node.inside
            case ["end"] if open_nodes:
                first = False
                while not first:
                    into, _, first = open_nodes.pop()
            case ["end" | "else"]:
                raise UnknownTemplateError(f"{words[0]} without if, with or range: {template}")
            case _:
                into.append(_Node(words=words))
    if open_nodes:
        raise UnknownTemplateError(f"an end is missing: {template}")
    root.append(_Node(template[place:]))
    return root


def _words(action: str) -> tuple[str, ...]:
    words, place = [], 0
    while place < len(action.rstrip()):
        found = _TOKEN.match(action, place)
        if found is None:
            raise UnknownTemplateError(f"cannot read {{{{{action}}}}}")
        words.append(found[1])
        place = found.end()
    if not words:
        raise UnknownTemplateError("an action is empty")
    return tuple(words)


def _written(nodes: list[_Node], scope: _Scope, dot: object) -> Iterator[str]:
    for node in nodes:
        if node.keyword:
            yield from _block(node, scope, dot)
        elif node.words:
            yield _action(node.words, scope, dot)
        else:
            yield node.text


def _block(node: _Node, scope: _Scope, dot: object) -> Iterator[str]:
    value = _pipeline(node.words, scope, dot)
    if not value:
        yield from _written(node.otherwise, scope.inner(), dot)
    elif node.keyword == "range":
        for one in value:
            yield from _written(node.inside, scope.inner(), one)
    else:
        yield from _written(node.inside, scope.inner(), dot if node.keyword == "if" else value)


def _action(words: tuple[str, ...], scope: _Scope, dot: object) -> str:
    match words:
        case (name, ":=", *rest) if name.startswith("$"):
            scope.variables[name] = _pipeline(tuple(rest), scope, dot)
            return ""
        case (name, "=", *rest) if name.startswith("$"):
            scope.assign(name, _pipeline(tuple(rest), scope, dot))
            return ""
        case _:
            value = _pipeline(words, scope, dot)
            return f"{value:g}" if isinstance(value, float) else str(value)


def _pipeline(words: tuple[str, ...], scope: _Scope, dot: object) -> Any:  # noqa: ANN401
    """Return the value of commands with `|` between them, each of which is the last argument of the next."""
    result: list[Any] = []
    rest = list(words)
    while rest:
        operands: list[Any] = []
        while rest and rest[0] != "|":
            operands.append(_operand(rest, scope, dot))
        if rest:
            rest.pop(0)
        operands += result
        first = operands[0] if operands else None
        if isinstance(first, _Function):
            result = [first.call(scope, operands[1:])]
        elif len(operands) == 1:
            result = [first]
        else:
            raise UnknownTemplateError(f"cannot read {' '.join(words)}")
    return result[0]


@dataclass(frozen=True, slots=True)
class _Function:
    name: str

    def call(self, scope: _Scope, arguments: list[Any]) -> Any:  # noqa: ANN401
        try:
            return scope.query(*arguments) if self.name == "query" else _FUNCTIONS[self.name](*arguments)
        except (TypeError, IndexError, KeyError) as error:
            raise UnknownTemplateError(f"{self.name} cannot take {arguments}") from error


def _operand(rest: list[str], scope: _Scope, dot: object) -> Any:  # noqa: ANN401
    word = rest.pop(0)
    if word == "(":
        depth, inside = 1, []
        while rest and depth:
            inside.append(rest.pop(0))
            depth += {"(": 1, ")": -1}.get(inside[-1], 0)
        value = _pipeline(tuple(inside[:-1]), scope, dot)
        return _field(value, rest.pop(0)) if rest and rest[0].startswith(".") else value
    if word[0] == '"':
        return _unquoted(word)
    if word[0] == "$":
        name, _, fields = word.partition(".")
        return _field(scope.get(name), f".{fields}")
    if word[0] == ".":
        return _field(dot, word)
    if word[0].isdigit() or word[0] == "-":
        return float(word)
    if word != "query" and word not in _FUNCTIONS:
        raise UnknownTemplateError(f"there is no function {word} here")
    return _Function(word)


def _field(value: Any, path: str) -> Any:  # noqa: ANN401
    for name in filter(None, path.split(".")):
        if isinstance(value, Sample):
            value = {"Labels": value.labels, "Value": value.value}.get(name)
        elif isinstance(value, Mapping):
            value = value.get(name, "")
        else:
            raise UnknownTemplateError(f"nothing here has a field {name}")
    return value


def _unquoted(word: str) -> str:
    return _ESCAPED.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), word[1:-1])


def _humanize(value: float) -> str:
    """Write a number with a metric prefix, as Prometheus does.

    >>> _humanize(1234567.0), _humanize(0.25)
    ('1.235M', '250m')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:.4g}"
    prefixes, factor = (_LARGE, 1 / _THOUSAND) if abs(value) >= 1 else (_SMALL, _THOUSAND)
    at = 0
    while at < len(prefixes) - 1 and (abs(value) >= _THOUSAND if factor < 1 else abs(value) < 1):
        value, at = value * factor, at + 1
    return f"{value:.4g}{prefixes[at]}"


def _humanize_duration(value: float) -> str:
    if not math.isfinite(value) or abs(value) < 1:
        return f"{_humanize(value)}s" if math.isfinite(value) else f"{value:.4g}"
    sign, whole = "-" if value < 0 else "", int(abs(value))
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {whole % 60}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {whole % 60}s"
    return f"{sign}{minutes}m {whole % 60}s" if minutes else f"{sign}{abs(value):.4g}s"


def _humanize_timestamp(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "printf": lambda form, *values: form % values,
    "first": lambda samples: samples[0],
    "value": lambda sample: sample.value,
    "label": lambda name, sample: sample.labels.get(name, ""),
    "eq": lambda one, other: one == other,
    "humanize": _humanize,
    "humanizeDuration": _humanize_duration,
    "humanizePercentage": lambda value: f"{value * 100:.4g}%",
    "humanizeTimestamp": _humanize_timestamp,
}
