"""`python -m bw_exporter.generate [--check]`: the metric table of the README, from the catalogue."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bw_exporter import catalog
from bw_exporter.catalog import Family

BEGIN = "<!-- metrics: made by `make generate` from exporter/bw_exporter/catalog.py -->"
END = "<!-- /metrics -->"

_LISTED_VALUES = 8


def metric_table() -> str:
    """Return the catalogue as a Markdown table."""
    rows = (f"| `{each.name}` | {each.type} | {_labels(each)} | {each.help} |" for each in catalog.FAMILIES)
    return "\n".join(("| metric | type | labels | meaning |", "|---|---|---|---|", *rows))


def with_table(text: str) -> str:
    """Return a document with the table between its markers made new."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{metric_table()}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write README.md of the current folder anew, or with --check only tell whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something is stale")
    check = parser.parse_args(arguments).check
    readme = Path("README.md")
    current = readme.read_text(encoding="utf-8")
    if BEGIN not in current or END not in current:
        print(f"README.md lacks the markers {BEGIN} and {END}", file=sys.stderr)
        return 1
    made = with_table(current)
    if check:
        if made != current:
            print("README.md is stale: run make generate", file=sys.stderr)
        return int(made != current)
    readme.write_text(made, encoding="utf-8")
    return 0


def _labels(family: Family) -> str:
    names = []
    if family.per_tenant:
        names.append("`tenant`")
    for label in family.labels:
        values = label.values
        if not values:
            names.append(f"`{label.name}`")
        elif len(values) <= _LISTED_VALUES:
            names.append(f"`{label.name}`: {', '.join(values)}")
        else:
            names.append(f"`{label.name}`: {len(values)} values")
    if family.buckets:
        names.append("`le`: " + " ".join(str(bound) for bound in family.buckets))
    return "; ".join(names) or "none"


if __name__ == "__main__":
    sys.exit(main())
