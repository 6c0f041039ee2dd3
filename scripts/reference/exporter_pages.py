"""Writes the reference of metrics, events and flags in docs/; with --check it only tells what is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bw_exporter import cli
from reference import flags, marks, metrics

MAKER = "reference.exporter_pages"


def generated(root: Path) -> dict[Path, str]:
    """Return the text of every page that has generated parts, by its path; `root` is a checkout."""
    parts = {
        "docs/metrics.md": {"metrics": metrics.sections(), "currencies": metrics.currencies()},
        "docs/stripe.md": {"selected": metrics.selected(), "events": metrics.events()},
        "docs/command-line.md": {"bw-exporter": "\n".join(flags.sections(cli.program).values())},
    }
    made = {}
    for name, texts in parts.items():
        page = (root / name).read_text(encoding="utf-8")
        for part, text in texts.items():
            page = marks.between(page, MAKER, part, text)
        made[root / name] = page
    return made


def main(arguments: list[str] | None = None) -> int:
    """Write the pages of the current folder anew, or with --check only tell whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something is stale")
    check = parser.parse_args(arguments).check
    made = generated(Path())
    stale = [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path} is stale: run make generate", file=sys.stderr)
        else:
            path.write_text(made[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
