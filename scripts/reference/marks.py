"""Generated parts of pages that people write the rest of."""

from __future__ import annotations


def between(page: str, maker: str, name: str, text: str) -> str:
    """Return the page with what stands between the marks of `name` replaced; `maker` is the module that does it.

    Raises ValueError where the page lacks the marks.
    """
    begin, end = f"<!-- made by {maker}: {name} -->", f"<!-- end: {name} -->"
    head, begun, rest = page.partition(begin)
    _, ended, tail = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page lacks the marks {begin} and {end}")
    return f"{head}{begin}\n\n{text}\n{end}{tail}"
