"""Writes the schemas beside this file, from a package that carries the Prometheus operator's definitions.

That package brings a pytest plugin along that breaks ours, so it has an environment of its own:

    python3 -m venv /tmp/operator
    /tmp/operator/bin/pip install cloudcoil-models-prometheus-operator==0.80.1.0
    /tmp/operator/bin/python tests/deploy/operator_schemas/make.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "cloudcoil-models-prometheus-operator"
KINDS = ("ServiceMonitor", "PrometheusRule")
PROSE = ("title", "description", "default")


def main() -> None:
    """Write one file for each kind."""
    from cloudcoil.models.prometheus_operator import v1  # noqa: PLC0415 - not in the project's environment

    for kind in KINDS:
        schema = closed(getattr(v1, kind).model_json_schema(by_alias=True))
        source = f"Made by make.py from {PACKAGE} {version(PACKAGE)} of PyPI, after the operator's own (Apache-2.0)."
        definitions = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(one)}" for name, one in schema.pop("$defs").items()
        )
        head = json.dumps({"$comment": source, **schema})[:-1]
        text = f'{head}, "$defs": {{\n{definitions}\n}}}}\n'
        (Path(__file__).parent / f"{kind}.json").write_text(text, encoding="utf-8")


def closed(node: Any) -> Any:
    """Return the schema without prose, and with fields it does not know forbidden: an API server would drop them."""
    if isinstance(node, list):
        return [closed(one) for one in node]
    if not isinstance(node, dict):
        # Go allows flags after the first character of a pattern, Python does not.
        return (
            "(?i)^" + node.removeprefix("^(?i)")
            if isinstance(node, str) and node.startswith("^(?i)")
            else node
        )
    kept = {
        key: {name: closed(one) for name, one in value.items()}
        if key in ("properties", "$defs")
        else closed(value)
        for key, value in node.items()
        if key not in PROSE
    }
    return {**kept, "additionalProperties": False} if "properties" in kept else kept


if __name__ == "__main__":
    main()
