"""A program of several commands, each a file of its own that is imported when it is wanted."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

import click

from bw_exporter import __version__
from bw_exporter.errors import BillingWatchError


class Program(click.Group):
    """A group whose commands are the modules of packages: `check_config.py` has the command `check-config`.

    Each module has a `command`. A module whose name begins with an underscore is none.
    """

    def __init__(self, name: str, about: str, packages: Sequence[ModuleType]) -> None:
        """`about` is what the help says first; `packages` hold the commands."""
        super().__init__(
            name,
            help=about,
            epilog="COMMAND --help explains every flag and names its environment variable.",
            subcommand_metavar="COMMAND [ARGS]...",
            context_settings={"help_option_names": ["--help", "-h"]},
            params=[_version(name)],
        )
        self._modules = {
            found.name.replace("_", "-"): f"{package.__name__}.{found.name}"
            for package in packages
            for found in pkgutil.iter_modules(package.__path__)
            if not found.name.startswith("_")
        }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the names of all commands."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import one command."""
        if cmd_name not in self._modules:
            return None
        command = importlib.import_module(self._modules[cmd_name]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a command line; raise NoSuchCommand, with similar names, where there is none."""
        if args[0] not in self._modules and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=self._modules, ctx=ctx)
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that says what to do with a word that it does not take, and does not repeat one that may be secret."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags and arguments; what is left over is a mistake."""
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, args)
        if left:
            word = "a URL" if "://" in left[0] else left[0]
            known = {name for param in self.params for name in param.opts}
            ways = " or ".join(name for name in ("--config.file", "--storage.url") if name in known)
            hint = f" Give it with {ways}." if ways else ""
            raise click.UsageError(f"No argument is expected here, and {word} is one.{hint}", ctx)
        return left


def run(program: Program, argv: Sequence[str] | None = None) -> int:
    """Run the command that a command line names; return the exit status.

    0 done; 1 for a BillingWatchError, which is printed, and where the reader of the output has gone; 2 for a mistaken
    command line; 130 for Ctrl-C. Without `argv` it is that of this process.
    """
    try:
        status = program.main(argv, prog_name=program.name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130  # as a shell says of a program that Ctrl-C ended
    except BillingWatchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        # The reader of our output has gone, as in `bw-exporter findings | head`.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return int(status or 0)


def _version(name: str) -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's own signature
        if wanted and not ctx.resilient_parsing:
            click.echo(f"{name} {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )
