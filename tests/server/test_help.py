"""The help of every command can be read on any terminal, and gives nothing away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bw_exporter import cli as exporter
from bw_rules import cli as rules

COMMANDS = [
    (program.name, *name)
    for program in (exporter.program, rules.program)
    for name in [(), *((one,) for one in program.list_commands(click.Context(program)))]
]


WITHOUT_VARIABLE = {"simulate": {"--storage.url", "--yes"}, "history": {"--storage.url", "--output"}}
"""A variable of `serve` must not fill the store of `serve` with a past; an answer is given by hand."""


def helped(program: str, *words: str, **environ: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BW_", "LC_", "LANG"))}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *words, "--help"],
        env={**own, "COLUMNS": "80", "LC_ALL": "C", **environ},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode("ascii")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_is_ascii_of_80_columns_whatever_the_environment_holds(command: tuple[str, ...]):
    text = helped(*command)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "..." not in text.partition("Commands:")[2], "a summary that is cut off says nothing"
    secret = "postgresql://me:hunter2@db.example.com/billing"
    assert helped(*command, BW_STORAGE_URL=secret, BW_CONFIG_FILE="hunter2", BW_URL="hunter2") == text


@pytest.mark.parametrize("program", [exporter.program, rules.program], ids=lambda program: program.name)
def test_every_flag_has_a_variable_and_a_meaning_and_none_is_given_twice(program: click.Group):
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        options = [one for one in command.params if isinstance(one, click.Option)]
        without = {flag for one in options if not one.envvar for flag in one.opts}
        assert without <= WITHOUT_VARIABLE.get(name, set())
        assert all(one.help for one in options)
        variables = [one.envvar for one in options if one.envvar]
        assert len(set(variables)) == len(variables)


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["serve", "--storage.ulr=postgresql://me:hunter2@h/b"], {}),
        (["serve", "--storage.url", "postgresql://me:hunter2@h/b"], {}),
        (["serve", "postgresql://me:hunter2@h/b"], {}),
        (["findings", "postgresql://me:hunter2@h/b"], {}),
        (["migrate-store", "postgresql://me:hunter2@h/b", "sqlite:///b.db"], {}),
        (["migrate-store", "sqlite:///a.db", "sqlite:///b.db", "postgresql://me:hunter2@h/b"], {}),
        (["findings", "--since", "x"], {"BW_STORAGE_URL": "postgresql://me:hunter2@h/b"}),
    ],
)
def test_a_password_is_never_repeated_by_a_mistake(words: list[str], environ: dict[str, str]):
    done = subprocess.run(
        [Path(sys.executable).with_name("bw-exporter"), *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr
