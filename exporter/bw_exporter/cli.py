"""The program bw-exporter; its commands are in commands/ and, where they make events up, in bw_simulator.commands."""

from __future__ import annotations

from collections.abc import Sequence

import bw_simulator.commands
from bw_exporter import commands
from bw_exporter.command_line.program import Program, run

program = Program(
    "bw-exporter",
    "Receive Stripe webhooks, count each exactly once, and expose the counts to Prometheus.",
    [commands, bw_simulator.commands],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 it could not be done, 2 a mistaken command line."""
    return run(program, argv)
