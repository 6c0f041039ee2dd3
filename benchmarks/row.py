"""A line of the table: the ratio first, then what it was made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    `ratio` is ours over the yardstick's or theirs over ours, as `what` says, and may carry a unit (`0.4 s`);
    `needed` is the requirement in words, empty where there is none, and `met` is None then; `figures` are the
    absolute numbers of this machine.
    """

    ratio: str
    what: str
    needed: str = ""
    met: bool | None = None
    figures: str = ""


def table(rows: list[Row]) -> str:
    """Return the rows as an aligned table in Markdown."""
    verdicts = {None: "", True: "yes", False: "NO"}
    cells = [("ratio", "what", "needed", "met", "on this machine")]
    cells += [(row.ratio, row.what, row.needed, verdicts[row.met], row.figures) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [_line(line, widths) for line in cells]
    return "\n".join([lines[0], _line(tuple("-" * width for width in widths), widths), *lines[1:]])


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
