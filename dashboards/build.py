"""Writes json/*.json, the dashboards for Grafana 11.6, from boards/.

`python dashboards/build.py`; with `--check` it writes nothing and exits 1 if a file is not what it would be.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards import exporter, overview, tenant

FOLDER = Path(__file__).resolve().parent / "json"
BOARDS = {
    "billing-overview.json": overview.board,
    "billing-tenant.json": tenant.board,
    "billingwatch-exporter.json": exporter.board,
}


def texts() -> dict[str, str]:
    """Return the text of every file by its name; the same code gives the same bytes."""
    return {
        name: json.dumps(board(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in BOARDS.items()
    }


def stale(folder: Path) -> list[Path]:
    """Return the files in the folder that differ from what would be written."""
    return [
        folder / name
        for name, text in texts().items()
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(argv: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files, or with --check only compare."""
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    check = parser.parse_args(argv).check
    old = stale(folder)
    for path in old:
        if check:
            print(f"{path.name} is stale; run make generate", file=sys.stderr)
            continue
        folder.mkdir(exist_ok=True)
        path.write_text(texts()[path.name], encoding="utf-8")
        print(f"wrote {path.name}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
