"""Fuzz each target for a while, with another seed each time.

Run it by `make fuzz FUZZ="--seconds 20 [--seed N] [TARGET…]"`.

What breaks a promise is shrunk, printed, and kept in corpus/ to be tried by every run of the tests from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from .mutations import CORPUS
from .targets import Target, targets

_AT_ONCE = 100


def fuzz(name: str, target: Target, seconds: float, first_seed: int) -> bool:
    """Return whether everything held; print how much was tried."""
    until, tried, failing = time.monotonic() + seconds, 0, b""

    @settings(
        max_examples=_AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(target.strategy)
    def holds(data: bytes) -> None:
        nonlocal tried, failing
        tried += 1
        failing = data
        target.holds(data)

    number = first_seed
    try:
        while time.monotonic() < until:
            seed(number)(holds)()
            number += 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
        (CORPUS / target.corpus).mkdir(exist_ok=True)
        kept = CORPUS / target.corpus / f"found-{hashlib.sha256(failing).hexdigest()[:12]}"
        kept.write_bytes(failing)
        print(
            f"{name}: {type(error).__name__}: {error}\n  after {tried} inputs, seed {number}; kept as {kept}"
        )
        return False
    print(f"{name}: {tried} inputs held, seeds {first_seed} to {number - 1}")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20, help="for each target (default: 20)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    known = targets()
    parser.add_argument("target", nargs="*", metavar="TARGET", help=f"of {', '.join(known)} (default: all)")
    args = parser.parse_args()
    held = [fuzz(name, known[name], args.seconds, args.seed) for name in args.target or known]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
