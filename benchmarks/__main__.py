"""Run the benchmarks of this package and print one table; exit 1 where a requirement is not met."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.row import Row, table


def main() -> int:
    """Run what was asked for, one after the other."""
    known = found()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)} (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(known)}")
    rows: list[Row] = []
    for name in args.names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += known[name](args.quick)
    print(table(rows))
    return 1 if any(row.met is False for row in rows) else 0


def found() -> dict[str, Callable[[bool], list[Row]]]:
    """Return the benchmarks by the name of their module."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names if name != "__main__"}
    return {name: module.run for name, module in modules.items() if hasattr(module, "run")}


if __name__ == "__main__":
    sys.exit(main())
