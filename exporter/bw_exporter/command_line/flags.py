"""Flags: each has an environment variable, shows its default, and reads its value by one function."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Value(click.ParamType[Any]):
    """A value that a function reads from its text; the function's ValueError says what to write instead."""

    name = "value"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own signature
        """Return what the text means; a value that is no text is a default that was read before."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Flag(click.Option):
    """A flag whose mistakes name what was written: the flag, or its environment variable."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return `--web.workers` or `BW_WEB_WORKERS`, wherever the value came from."""
        if ctx is not None and from_environment(ctx, self) and isinstance(self.envvar, str):
            return self.envvar
        return self.opts[0]


def from_environment(ctx: click.Context, param: click.Parameter) -> bool:
    """Tell whether a parameter's value came from its environment variable."""
    return ctx.get_parameter_source(param.name or "") is ParameterSource.ENVIRONMENT


def flag(
    name: str,
    about: str,
    *,
    read: Callable[[str], Any] | click.ParamType[Any] = str,
    choices: Sequence[str] = (),
    default: str | Callable[[], object] | None = None,
    shown_default: str = "",
    metavar: str | None = None,
    prefix: str = "BW_",
    variable: bool = True,
    required: bool = False,
    multiple: bool = False,
) -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds a flag to a command.

    `--web.workers` is the parameter `web_workers` and has the variable BW_WEB_WORKERS, unless `variable` is False; an
    empty variable counts as none. `read` turns the text into the value. `shown_default` is shown instead of a default
    that is long or differs from machine to machine.
    """
    kind: click.ParamType[Any] | type[str]
    if choices:
        kind = click.Choice(choices)
    elif isinstance(read, click.ParamType):
        kind = read
    else:
        kind = str if read is str else Value(read)
    # For click a default of None is a value, with which a required flag would not be missed.
    given = {} if default is None else {"default": default}
    return click.option(
        name,
        parameter(name),
        cls=Flag,
        type=kind,
        **given,
        show_default=shown_default or True,
        metavar=metavar,
        envvar=variable_of(name, prefix) if variable else None,
        show_envvar=variable,
        required=required,
        multiple=multiple,
        help=about,
    )


def switch(name: str, about: str, *, variable: bool = True) -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds a flag without a value; its variable is on at 1 or true, off at 0 or false."""
    return click.option(
        name,
        parameter(name),
        cls=Flag,
        is_flag=True,
        envvar=variable_of(name) if variable else None,
        show_envvar=variable,
        help=about,
    )


def parameter(name: str) -> str:
    """Return the parameter of a flag.

    >>> parameter("--web.metrics-address")
    'web_metrics_address'
    """
    return re.sub(r"[.-]", "_", name.removeprefix("--"))


def variable_of(name: str, prefix: str = "BW_") -> str:
    """Return the environment variable of a flag.

    >>> variable_of("--config.file")
    'BW_CONFIG_FILE'
    """
    return prefix + parameter(name).upper()


config_file = flag(
    "--config.file", "The tenants and their thresholds.", default="tenants.yaml", metavar="FILE"
)
"""--config.file FILE, which every command that reads a tenants.yaml takes."""
