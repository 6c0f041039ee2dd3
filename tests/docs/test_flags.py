"""Every flag that the documentation names exists, and every flag that exists is documented."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache

import pytest

from bw_exporter import cli as exporter
from bw_rules import cli as rules
from bw_rules.verify import tools
from reference import flags
from support.pages import ROOT, Block, pages

OURS = ("bw-exporter", "bw-rules")
THEIRS = ("promtool", "prometheus", "amtool", "alertmanager")
_FLAG = re.compile(r"(?<![\w-])--?[a-z][\w.-]*")


@cache
def commands() -> dict[str, set[str]]:
    """The flags of each of our commands, by its name: `bw-exporter serve`."""
    found = {}
    for program in (exporter.program, rules.program):
        for name, section in flags.sections(program).items():
            found[f"{program.name} {name}"] = set(re.findall(r"^\| `(--[\w.-]+)", section, re.MULTILINE))
    return found


@cache
def helped(program: str, *words: str) -> str:
    """What a program of another project says of its flags; nothing where it is not at hand."""
    path = tools.find(program)
    if path is None:
        return ""
    done = subprocess.run([path, *words, "--help"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def typed(block: Block) -> list[list[str]]:
    """The commands of a block as words; what is no command of a known program is left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        for part in re.split(r"\s(?:&&|\|\|?|;|--)\s|;\s", line):
            lexer = shlex.shlex(part, posix=True, punctuation_chars=True)
            lexer.whitespace_split, lexer.commenters = True, "#"
            try:
                words = list(lexer)
            except ValueError:  # half of a quoted text that spans lines
                continue
            names = [word.rpartition("/")[2] for word in words]
            at = next((i for i, name in enumerate(names) if name in (*OURS, *THEIRS)), None)
            if at is not None:
                found.append([names[at], *words[at + 1 :]])
    return found


BLOCKS = [
    block
    for page in pages()
    for block in page.blocks
    if block.language in ("sh", "console", "indented", "text")
]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_flag_in_a_command_of_ours_exists(page: object) -> None:
    for block in BLOCKS:
        if block.page != page.name:  # type: ignore[attr-defined]
            continue
        for program, *words in typed(block):
            if program not in OURS or not words or words[0].startswith("-"):
                continue
            command = f"{program} {words[0]}"
            assert command in commands(), f"{block.where}: there is no {command}"
            for word in words[1:]:
                flag = _FLAG.match(word)
                if flag and flag[0].startswith("--"):
                    assert flag[0] in {*commands()[command], "--help"}, (
                        f"{block.where}: {command} has no {flag[0]}"
                    )


def test_every_flag_in_a_command_of_prometheus_and_alertmanager_exists() -> None:
    if not all(map(tools.find, THEIRS)):
        pytest.skip(
            "Prometheus and Alertmanager are neither on PATH nor in .tools/bin; `make tools` fetches them"
        )
    for block in BLOCKS:
        for program, *words in typed(block):
            if program not in THEIRS:
                continue
            verbs = (
                [word for word in words if re.fullmatch(r"[a-z][a-z-]+", word)]
                if program.endswith("tool")
                else []
            )
            known = "".join(helped(program, *verbs[:depth]) for depth in range(4))
            for word in words:
                flag = re.match(r"--[\w.-]+", word)
                assert not flag or re.search(rf"(?<![\w-]){re.escape(flag[0])}\b", known), (
                    f"{block.where}: {program} {flag[0]}"
                )


def test_every_flag_that_the_text_names_exists() -> None:
    known = {flag for names in commands().values() for flag in names} | {
        "--help",
        "--version",
        "--check",
        "--quick",
    }
    theirs = "".join(helped(program) for program in THEIRS)
    tsdb = "".join(
        helped("promtool", "tsdb", "create-blocks-from", *kind) for kind in ([], ["rules"], ["openmetrics"])
    )
    others = "".join(
        (ROOT / name).read_text()
        for name in (
            "Makefile",
            "docker-compose.yml",
            "scripts/demo/__main__.py",
            "scripts/truth/__main__.py",
        )
    )
    for page in pages():
        for span in page.spans:
            for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*[\w]", span):
                if span.split()[0] not in (*OURS, *THEIRS, "make") and not span.startswith("--"):
                    continue
                everywhere = theirs + tsdb + others
                assert flag in known or not theirs or flag in everywhere, f"{page.name}: {span}"


def test_every_flag_that_exists_is_documented() -> None:
    text = (ROOT / "docs/command-line.md").read_text()
    for command, names in commands().items():
        section = text.partition(f"### {command}\n")[2].partition("\n### ")[0]
        for flag in names:
            assert f"| `{flag}" in section, f"{command} {flag}"


def test_every_flag_has_a_meaning() -> None:
    rows = re.findall(r"(?m)^\| `--.*$", (ROOT / "docs/command-line.md").read_text())
    assert rows
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages():
        named = [word for span in page.spans for word in re.findall(r"^make ([a-z]+)", span)]
        named += [
            word for block in page.blocks for word in re.findall(r"(?m)^(?:\$ )?make ([a-z]+)", block.text)
        ]
        assert set(named) <= targets, page.name
