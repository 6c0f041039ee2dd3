"""A command line whose flags an environment variable may stand in for, and which says what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from bw_exporter.errors import BillingWatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class FromEnvironment(str):
    """A value that came from the environment, so that a mistake in it names the variable."""

    __slots__ = ("variable",)
    variable: str


class Parser(argparse.ArgumentParser):
    """Flags are never abbreviated; a mistake says where to read on, and what was probably meant."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - argparse's own arguments
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def flag(
        self,
        name: str,
        environ: Mapping[str, str],
        *,
        default: object = None,
        kind: Callable[[str], Any] = str,
        **kwargs: Any,  # noqa: ANN401 - argparse's own arguments
    ) -> None:
        """Add --web.workers, which BW_WEB_WORKERS stands in for; an empty variable counts as none."""
        variable = _variable(name)
        # Before the environment's value takes its place, which may hold a password.
        about = kwargs["help"].replace("%(default)s", str(default).replace("%", "%%"))
        kwargs["help"] = f"{about} [{variable}]"
        given = environ.get(variable)
        if given:
            default = FromEnvironment(given)
            default.variable = variable
        choices = kwargs.get("choices")

        def read(text: str) -> Any:  # noqa: ANN401 - whatever `kind` makes of it
            where = f"{text.variable}: " if isinstance(text, FromEnvironment) else ""
            if choices and text not in choices:
                raise argparse.ArgumentTypeError(f"{where}{text!r} is none of {', '.join(choices)}")
            try:
                return kind(text)
            except ValueError as error:
                raise argparse.ArgumentTypeError(f"{where}{error}") from None

        self.add_argument(
            name, dest=re.sub(r"\W", "_", name.removeprefix("--")), default=default, type=read, **kwargs
        )

    def switch(self, name: str, environ: Mapping[str, str], about: str) -> None:
        """Add --quiet, which BW_QUIET stands in for: 1 or true is on; 0, false and an empty one are off."""
        variable = _variable(name)
        given = environ.get(variable, "").lower()
        if given not in ("", "0", "false", "1", "true"):
            self.error(f"{variable}: {given!r} is no switch; write 1 or 0")
        self.add_argument(
            name, action="store_true", default=given in ("1", "true"), help=f"{about} [{variable}]"
        )

    def error(self, message: str) -> NoReturn:
        """Print the mistake and the way to the help; exit 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help explains every flag\n")

    def refuse(self, unknown: str) -> NoReturn:
        """Say that there is no such argument, and which one is near."""
        flags = [name for action in self._actions for name in action.option_strings]
        close = difflib.get_close_matches(unknown.partition("=")[0], flags, n=1)
        self.error(f"there is no {unknown}" + (f"; did you mean {close[0]}?" if close else ""))


def _variable(flag: str) -> str:
    return "BW_" + re.sub(r"[.-]", "_", flag.removeprefix("--")).upper()


def run_chosen(
    parser: Parser,
    commands: Mapping[str, Parser],
    argv: Sequence[str],
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Read a command line whose `commands` are the parser's, by `command`, and run what was chosen.

    Return its exit status: 1 too for a BillingWatchError, which is printed, and where the reader of the output has
    gone; 2 without arguments. A mistaken command line exits with 2.
    """
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    args, unknown = parser.parse_known_args(argv)
    command = commands.get(args.command)
    if unknown or command is None:
        (command or parser).refuse(unknown[0] if unknown else str(args.command))
    try:
        return run(args)
    except BillingWatchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        # The reader of our output has gone, as in `bw-exporter findings | head`.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
