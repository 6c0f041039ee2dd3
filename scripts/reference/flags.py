"""Tables of a command line's flags, from its parser."""

from __future__ import annotations

import argparse
import re

_VARIABLE = re.compile(r" ?\[(BW_\w+)\]$| ?\((BW_\w+)(?:; default: \S+)?\)$")
_DEFAULT = re.compile(r"(?:^|; | \(|, )default: [^)]*\)?")
_DEPENDS = {"web_workers": "number of cores"}
"""Defaults that differ from host to host."""


def sections(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return a section of Markdown for each command of a parser, by the command's name."""
    subparsers = parser._subparsers  # noqa: SLF001 - argparse has no public list
    assert subparsers is not None
    [action] = subparsers._group_actions  # noqa: SLF001
    assert isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    about = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
    return {name: _section(command, about[name]) for name, command in action.choices.items()}


def _section(parser: argparse.ArgumentParser, about: str) -> str:
    flags = [action for action in parser._actions if action.option_strings and action.dest != "help"]  # noqa: SLF001
    words = [
        f"`{action.metavar}{' …' if action.nargs == '+' else ''}`"
        for action in parser._actions  # noqa: SLF001
        if not action.option_strings
    ]
    told = f"{about[:1].upper()}{about[1:]}." + (f" Takes {' '.join(words)}." if words else "")
    head = "\n| flag | default | variable | meaning |\n|---|---|---|---|\n"
    table = head + "\n".join(map(_row, flags)) + "\n" if flags else ""
    return f"### {parser.prog}\n\n{told}\n{table}"


def _row(action: argparse.Action) -> str:
    told = (action.help or "") % {"default": action.default}
    found = _VARIABLE.search(told)
    variable = f"`{found[1] or found[2]}`" if found else ""
    meaning = _DEFAULT.sub("", _VARIABLE.sub("", told)).strip()
    if action.choices:
        meaning = ", ".join(filter(None, (meaning, " or ".join(f"`{choice}`" for choice in action.choices))))
    value = f" {action.metavar}" if action.metavar else ""
    flag = ", ".join(action.option_strings)
    return f"| `{flag}{value}` | {_default(action)} | {variable} | {meaning.replace('<', '&lt;')} |"


def _default(action: argparse.Action) -> str:
    given = action.default
    if action.dest in _DEPENDS:
        return _DEPENDS[action.dest]
    if given in (None, False, []) or action.required:
        return ""
    return f"`{'.'.join(map(str, given)) if isinstance(given, tuple) else given}`"
