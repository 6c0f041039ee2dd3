from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bw_exporter.config.reading import files, yaml_nodes, yaml_strict
from bw_exporter.errors import ConfigError


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        yaml_strict.read(str(path))
    (problem,) = caught.value.problems
    return str(problem)


def bomb(kind: str) -> str:
    """Fewer than 700 bytes that are ten to the fifteenth values, by aliases in lists, mappings or merges."""
    opens, closes = {"lists": ("[", "]"), "mappings": ("{", "}"), "merges": ("{<<: [", "]}")}[kind]
    lines = ["b0: &b0 {k: v}"]
    for n in range(1, 16):
        names = [f"*b{n - 1}"] * 10
        if kind == "mappings":
            names = [f"k{i}: {name}" for i, name in enumerate(names)]
        lines.append(f"b{n}: &b{n} {opens}{', '.join(names)}{closes}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["lists", "mappings", "merges"])
@pytest.mark.parametrize("order", ["told first", "told last"])
def test_a_short_file_that_stands_for_millions_of_values_is_refused(tmp_path: Path, kind: str, order: str):
    file = tmp_path / "bomb.yaml"
    text = bomb(kind)
    if (
        order == "told last"
    ):  # all anchors inside of one value, so that nothing is merged before it is asked for
        text = "top: [" + ", ".join(f"{{{line}}}" for line in text.splitlines()) + "]\n"
    file.write_text(text)
    assert "values, each alias counted as what it stands for" in refusal(file)


@pytest.mark.parametrize("level", ["[", "{a: ", "- ", "? ", "!x [", "[a, "])
def test_nesting_without_end_is_refused_before_it_is_followed(tmp_path: Path, level: str):
    file = tmp_path / "deep.yaml"
    file.write_text(level * 40_000)
    said = refusal(file)
    assert "nested too deeply; flatten it" in said


def test_aliases_do_not_hide_how_deep_a_file_is_nested(tmp_path: Path):
    file = tmp_path / "deep.yaml"
    parts = ["x"] + [f"*a{n}" for n in range(50)]
    file.write_text("".join(f"a{n}: &a{n} {'[' * 60}{parts[n]}{']' * 60}\n" for n in range(50)))
    assert refusal(file) == "line 2: is nested too deeply; flatten it"


def test_a_merge_inside_of_what_it_merges_is_refused(tmp_path: Path):
    file = tmp_path / "merge.yaml"
    for text in ("a: &a {<<: *a}", "a: &a {b: {<<: *a}}", "a: {<<: &a {<<: {<<: *a}}}"):
        file.write_text(text)
        assert yaml_strict.read(str(file)).flaws


def test_merges_of_merges_mean_what_yaml_says(tmp_path: Path):
    file = tmp_path / "merge.yaml"
    file.write_text(
        "base: &base {one: 1, two: 1}\n"
        "more: &more {<<: *base, two: 2, three: 2}\n"
        "both: {<<: [{two: 3}, *more], four: 3}\n"
        "late: {four: 4, <<: {<<: *more, one: 4}}\n"
    )
    assert yaml_strict.load(str(file)).value == {
        "base": {"one": 1, "two": 1},
        "more": {"one": 1, "two": 2, "three": 2},
        "both": {"one": 1, "two": 3, "three": 2, "four": 3},
        "late": {"one": 4, "two": 2, "three": 2, "four": 4},
    }


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path):
    fifo, other = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo)
    assert (
        refusal(fifo)
        == "file: cannot be read (it is a named pipe, no regular file); give the path of a regular file"
    )
    assert "it is a folder" in refusal(tmp_path)
    assert "it is a device" in refusal(Path("/dev/zero"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(other))
        assert "cannot be read" in refusal(other)
    with pytest.raises(files.UnreadableFileError, match="no usable path"):
        files.read("a\0b", 1)


def test_a_file_may_be_as_large_as_its_bound_and_no_larger(tmp_path: Path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * 4096)
    assert files.read(file, 4096) == b"x" * 4096
    with pytest.raises(files.UnreadableFileError, match="it has more than 4 KiB"):
        files.read(_grown(file), 4096)


def _grown(file: Path) -> Path:
    file.write_bytes(file.read_bytes() + b"x")
    return file


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*<>!|#'\"%?, \n\t1", max_size=60))
def test_nodes_are_those_that_pyyaml_makes(tmp_path_factory: pytest.TempPathFactory, text: str):
    """What is read differs from PyYAML's own composer in what it refuses alone."""
    file = tmp_path_factory.getbasetemp() / "wild.yaml"
    file.write_text(text)
    try:
        ours = yaml_nodes.read(str(file)).root
    except ConfigError:
        return
    theirs = yaml_nodes._LOADER(text).get_single_node()
    assert _shape(ours) == _shape(theirs)


def _shape(node: object, seen: tuple[int, ...] = ()) -> object:
    if node is None or id(node) in seen:
        return None
    inner = node.value  # type: ignore[attr-defined]
    if isinstance(inner, list):
        inner = [
            tuple(_shape(one, (*seen, id(node))) for one in (item if isinstance(item, tuple) else (item,)))
            for item in inner
        ]
    return node.tag, inner, getattr(node, "style", None)  # type: ignore[attr-defined]
