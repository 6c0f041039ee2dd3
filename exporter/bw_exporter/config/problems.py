"""From a mistake in tenants.yaml to one line that says what to do."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bw_exporter.config.reading.yaml_strict import redacted
from bw_exporter.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from bw_exporter.config.reading.yaml_strict import Document

Path = tuple[object, ...]

MOST_PROBLEMS = 1000
"""Beyond these nothing is looked for: who wrote so many has made one mistake many times."""

_MOST_CANDIDATES = 200
_LONGEST_NAME = 100

_WANTED = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping: `key: value` lines below it",
    "model_type": "must be a mapping: `key: value` lines below it",
    "list_type": "must be a list: [one, two]",
    "tuple_type": "must be a list: [one, two]",
}


class Problems:
    """Gathers the mistakes of one document; `raise_any` reports them all, in file order.

    After MOST_PROBLEMS of them the next one is the last.
    """

    def __init__(self, document: Document) -> None:
        """Places in messages come from `document`, and its flaws are the first mistakes."""
        self._document = document
        self._found: dict[tuple[Path, str], None] = {}
        self._lost = {flaw.path for flaw in document.flaws if flaw.lost}

    def __bool__(self) -> bool:
        return bool(self._found or self._document.flaws)

    def add(self, path: Path, message: str) -> None:
        """Note one mistake at `path`; the same one twice is one, and what YAML lost is not blamed again.

        Raises ConfigError where there are too many.
        """
        if path not in self._lost:
            self._found[path, message] = None
            if len(self._found) > MOST_PROBLEMS:
                self.raise_any()

    def add_invalid(self, path: Path, error: ValidationError, model: type[BaseModel]) -> None:
        """Note every mistake pydantic found in the mapping at `path`, read as `model`."""
        self.add_errors(path, error.errors(include_url=False), model)

    def add_errors(self, path: Path, errors: Iterable[ErrorDetails], model: type[BaseModel]) -> None:
        """Note the given ones of pydantic's errors."""
        for one in errors:
            location = one["loc"]
            if location[-1:] == ("[key]",):  # pydantic's word for the key itself
                location = location[:-1]
            fields = _keys(model, location[:-1])
            self.add(
                (*path, *location), _message(one["type"], one["msg"], one.get("ctx", {}), location, fields)
            )

    def raise_any(self) -> None:
        """Raise ConfigError if anything was noted."""
        if found := self.in_file_order():
            raise ConfigError(self._document.source, found)

    def in_file_order(self) -> tuple[Problem, ...]:
        """Return what was noted, and the document's own flaws, in the order of its lines; the first of very many."""
        flaws = self._document.flaws[:MOST_PROBLEMS]
        placed = [((flaw.line, flaw.column), flaw.problem) for flaw in flaws]
        for path, message in self._found:
            line, column = self._document.place(path)
            placed.append(((line, column), Problem(dotted(path) or "file", f"{message} (line {line})")))
        placed.sort(key=lambda item: item[0])
        found = [problem for _, problem in placed]
        if len(found) > MOST_PROBLEMS:
            found[MOST_PROBLEMS:] = [Problem("file", "has more mistakes than these; correct them first")]
        return tuple(found)


def dotted(path: Path) -> str:
    """Return the path as people write it, without any secret that stood where a key belongs."""
    return ".".join(redacted(str(part)) for part in path)


def nearest(name: object, names: Iterable[str], otherwise: str) -> str:
    """Return `did you mean x?` where one of `names` is close to `name`, else `otherwise`."""
    among = list(islice(names, _MOST_CANDIDATES))
    close = difflib.get_close_matches(str(name)[:_LONGEST_NAME], among, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else otherwise


def unknown(name: object, names: Iterable[str], what: str = "key") -> str:
    """Return the message for a key that does not exist here."""
    names = list(names)
    return f"unknown {what}; " + nearest(name, names, f"those here are {', '.join(names)}")


def _message(kind: str, text: str, context: dict[str, Any], path: Path, fields: list[str]) -> str:
    if kind == "extra_forbidden":
        return unknown(path[-1], fields)
    if kind == "missing":
        return "is missing; add it"
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}"
    return _WANTED.get(kind, text)


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """Names of the fields that the mapping at `path` below `model` may have."""
    for part in path:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]
