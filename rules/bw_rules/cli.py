"""The program bw-rules: from one tenants.yaml to alerting rules and routing. Its commands are in commands/."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bw_exporter.command_line.program import Program, run
from bw_rules import commands

program = Program(
    "bw-rules", "From one tenants.yaml to alerting rules and routing, checked and explained.", [commands]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if all is well, 1 if something was found, 2 if it was called wrongly."""
    return run(program, argv)


if __name__ == "__main__":
    sys.exit(main())
