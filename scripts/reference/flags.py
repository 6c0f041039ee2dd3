"""Tables of a program's flags, from the program itself."""

from __future__ import annotations

import click


def sections(program: click.Group) -> dict[str, str]:
    """Return a section of Markdown for each command of a program, by the command's name."""
    context = click.Context(program, info_name=program.name)
    found = {}
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        found[name] = _section(f"{program.name} {name}", command, context)
    return found


def _section(title: str, command: click.Command, context: click.Context) -> str:
    options = [one for one in command.params if isinstance(one, click.Option)]
    words = [f"`{one.make_metavar(context)}`" for one in command.params if isinstance(one, click.Argument)]
    about = " ".join((command.help or "").split()) + (f" Takes {' '.join(words)}." if words else "")
    head = "\n| flag | default | variable | meaning |\n|---|---|---|---|\n"
    table = head + "\n".join(_row(one, context) for one in options) + "\n" if options else ""
    return f"### {title}\n\n{_in_markdown(about)}\n{table}"


def _row(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else " " + option.make_metavar(context).replace("|", "\\|")
    variable = f"`{option.envvar}`" if option.envvar else ""
    meaning = _in_markdown(option.help or "")
    return f"| `{', '.join(option.opts)}{value}` | {_default(option)} | {variable} | {meaning} |"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    given = option.default
    if isinstance(given, str):
        return f"`{given}`"
    return option.show_default if isinstance(option.show_default, str) else ""


def _in_markdown(text: str) -> str:
    return text.replace("<", "&lt;")
