"""`PYTHONPATH=tests python -m landing.picture URL FILE.png`: the top of a page as a desk shows it, for the docs."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .chromium import MISSING, Chromium, installed

DESK = (1080, 720)


def main(url: str, file: str) -> int:
    program = installed()
    if program is None:
        print(MISSING, file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder, Chromium(program, Path(folder)) as browser:
        page = browser.page(*DESK)
        page.go(url)
        page.picture(Path(file), DESK)
        print(f"{file}: {Path(file).stat().st_size} bytes")
        for complaint in page.complaints:
            print(complaint, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
