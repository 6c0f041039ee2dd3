from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bw_exporter.config import durations, tenants
from bw_exporter.config.reading import yaml_strict
from bw_exporter.errors import ConfigError
from bw_rules.detectors import THRESHOLDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", "a", "twice (first on line 1); keep one (line 3)"),
        ("no: 1", "no", '"no"'),
        ("a:\n  12:30: 1", "a.12:30", '"12:30" (line 2)'),
        ("1: a", "1", '"1"'),
        ("2024-01-01: a", "2024-01-01", '"2024-01-01"'),
        ("~: a", "~", "nothing"),
        ("a: 12:30", "a", "quotes (line 1)"),
        ("a: 010", "a", "write a number as 10, a text in quotes (line 1)"),
        ("a: 0x1f", "a", "write a number as 10"),
        ("a: +2_5", "a", "write a number as 10"),
        ("a: 2_5.0", "a", "write a number as 2.5"),
        ("a: .inf", "a", "no plain decimal number"),
        ("a: !!float snan", "a", "no plain decimal number"),
        ("a: !!float -Infinity", "a", "no plain decimal number"),
        ("a: [1\nb: 2", "line 2", "no YAML"),
        ("a: b\n\tc: d", "line 2", "is no YAML: a tab stands where YAML wants spaces; indent with spaces"),
        ("a:\n\tb: c", "line 2", "indent with spaces"),
        ("a:\r\n  - b:\r\n\t  c: d", "line 3", "indent with spaces"),
        ("a:\n  b: [\n", "line 3", "no YAML"),
        ("a: &x [*x]", "a.0", "contain itself"),
        ("? [a]\n: b", "line 1", "plain text"),
        ("a: !!python/name:os.system x", "a", "has the tag python/name:os.system; leave it out (line 1)"),
        ("a: !!python/object/apply:os.abort []", "a", "has the tag python/object/apply:os.abort"),
        ("a: &x {k: 1}\nb: {<<: [*x, 2]}", "b", "a mapping or a list of mappings"),
        ("a: &x {k: 1, <<: *x}", "a", "contain itself"),
        ("a: {<<: {no: 1}}", "a.no", '"no"'),
        ("a: &x 1\nb: &x 2", "line 2", "is no YAML: this anchor's name is taken above; correct it"),
        ("a: *x", "line 1", "is no YAML: this alias has no anchor above it; correct it"),
        ("%TAG ! tag:x,2000:\n--- {a: 1}", "file", "leave it out"),
        ("a: 1.0e+99999999", "a", "no plain decimal number"),
        ("--- {a: 1}\n--- {b: 1}", "line 2", "no YAML"),
    ],
)
def test_what_yaml_would_silently_change_is_an_error_with_its_line(
    tmp_path: Path, text: str, line: str, message: str
):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        yaml_strict.load(str(file))
    (problem,) = caught.value.problems
    assert problem.path == line
    assert message in problem.message


def test_every_duplicate_is_reported_at_once(tmp_path: Path):
    file = tmp_path / "file.yaml"
    file.write_text("a: 1\na: 2\nb: {c: 1, c: 2}\nno: 3\n")
    with pytest.raises(ConfigError) as caught:
        yaml_strict.load(str(file))
    assert len(caught.value.problems) == 3


def test_fractions_stay_exact(tmp_path: Path):
    file = tmp_path / "file.yaml"
    file.write_text("a: 2.675\n")
    assert yaml_strict.load(str(file)).value == {"a": Decimal("2.675")}


def test_a_file_that_is_not_text_is_refused(tmp_path: Path):
    file = tmp_path / "file.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        yaml_strict.load(str(file))


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_a_duration_written_and_read_again_is_the_same(seconds: int):
    assert durations.parse(durations.render(seconds)) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("1h30m", 5400), ("1w", 604800), ("300s", 300)])
def test_prometheus_durations_are_understood(text: str, seconds: int):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "-1h", "1.5h", "30m1h", "5ms", "h", "1h1h", "٣h"])
def test_what_prometheus_would_not_take_is_no_duration(text: str):
    with pytest.raises(ValueError, match="1h30m"):
        durations.parse(text)


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("whsec_TOPSECRET")
_KEYS = st.sampled_from(
    ["defaults", "tenants", "receivers", "prod", "mode", "detectors", "silent_lapse", "for", "webhook_secret",
     "webhook_secret_env", "notify", "labels", "rate_limit", "rate", "slack", "watchdog", "enabled"]
) | st.text(max_size=5)  # fmt: skip


@settings(deadline=None)
@given(
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_whatever_a_file_holds_it_is_loaded_or_refused_without_telling_a_secret(
    tmp_path_factory: pytest.TempPathFactory, value: object
):
    file = tmp_path_factory.getbasetemp() / "wild.yaml"
    file.write_text(json.dumps({"tenants": value} if not isinstance(value, dict) else value))
    try:
        said = repr(tenants.load(str(file), detectors=THRESHOLDS, environ={}))
    except ConfigError as error:
        said = str(error)
    assert said
    assert "TOPSECRET" not in said
