"""YAML as people read it: blocks for PromQL, no aliases, the same bytes for the same input."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml

HEADER = "# Made by bw-rules from {source}; do not edit, render again.\n"

_AMBIGUOUS = re.compile(
    r"[yn]|[-+]?(?:\d[\d.:]*|\.\d+)(?:e[-+]?\d*)?|[-+]?0(?:x[\da-f]*|o[0-7]*|b[01]*)|[-+]?\.(?:inf|nan)",
    re.IGNORECASE,
)
"""What PyYAML writes bare though YAML 1.2, or Kubernetes' mixture of both, reads a truth value or a number.

Underscores do not count: Kubernetes leaves them out wherever they stand."""

_Dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Readable(_Dumper):  # type: ignore[misc] # libyaml's dumper where there is one
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write shared values out each time they stand."""
        return True


def _text(dumper: Any, data: str) -> yaml.Node:  # noqa: ANN401 - one of PyYAML's two dumpers
    style = "|" if "\n" in data else "'" if _AMBIGUOUS.fullmatch(data.replace("_", "")) else None
    node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)
    return node


def _number(dumper: Any, data: Decimal) -> yaml.Node:  # noqa: ANN401 - one of PyYAML's two dumpers
    node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:float", f"{data:f}")
    return node


_Readable.add_representer(str, _text)
_Readable.add_representer(Decimal, _number)


def dump(document: object, source: str) -> str:
    """Return the document with its do-not-edit line; `source` is the name of the file it was made from."""
    text: str = yaml.dump(document, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100_000)
    return HEADER.format(source=source) + text
