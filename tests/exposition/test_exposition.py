"""What a scrape says, held against prometheus_client's own rendering and parsers."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import exposition as classic
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_classic

from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, Observe, RaiseTo
from bw_exporter.monitoring.exposition import compressed, render
from bw_exporter.store import Store, open_store
from support.patience import limit

from .oracle import Oracle
from .states import HEALTH, NOW, STORED, State, configured, states, tenant

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
# What Prometheus 2.53 and 3.5 send.
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

Parsed: TypeAlias = dict[str, tuple[str, str, dict[tuple[str, frozenset[tuple[str, str]]], float]]]


def parsed(families: Iterable[Metric]) -> Parsed:
    """By family: its type, its help and its samples; a sample that comes twice is an error."""
    found: Parsed = {}
    for family in families:
        samples = {(each.name, frozenset(each.labels.items())): each.value for each in family.samples}
        assert len(samples) == len(family.samples), f"{family.name} has a sample twice"
        assert family.name not in found, f"{family.name} comes twice"
        found[family.name] = (family.type, family.documentation, samples)
    return found


def fill(store: Store, state: State) -> int:
    """Bring a store into a state; return the commits that counted."""
    store.register([*state.names, *state.removed], NOW)
    commits = 0
    for counted in state.counted:
        store.write(lambda tx, each=counted: tx.change(each.tenant, (each.change,)))  # type: ignore[misc]
        commits += not isinstance(counted.change, RaiseTo)
    if state.unknown:
        unknown = Add(catalog.WEBHOOK_REQUESTS, (catalog.UNKNOWN_TENANT,), state.unknown)
        store.write(lambda tx: tx.change("", (unknown,)))
        commits += 1
    return commits


def scrape(store: Store, state: State, accept: str = "") -> str:
    return render(store, configured(state.tenants), HEALTH, accept)[0].decode()


def test_the_offset_from_utc_follows_the_clock_of_the_tenants_time_zone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/billing.db")
    berlin = [replace(tenant("one"), timezone="Europe/Berlin"), tenant("two")]
    for at, offset in ((1_774_745_999, 3600), (1_774_746_000, 7200)):  # 2026-03-29 00:59:59Z and 01:00Z
        text = render(store, configured(berlin), HEALTH, "", lambda at=at: at)[0].decode()  # type: ignore[misc]
        assert f'billing_tenant_utc_offset_seconds{{tenant="one"}} {offset}\n' in text
        assert 'billing_tenant_utc_offset_seconds{tenant="two"} 0\n' in text
    store.close()


@settings(max_examples=40, deadline=None, derandomize=bool(os.environ.get("CI")))
@given(states())
def test_the_text_the_database_renders_is_what_prometheus_client_renders(state: State) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/billing.db")
        registry = Oracle(state, fill(store, state)).registry()
        ours, ours_open = scrape(store, state), scrape(store, state, OPENMETRICS)
        store.close()
    theirs = classic.generate_latest(registry).decode()
    theirs_open = openmetrics.generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    assert parsed(parse_classic(ours)) == parsed(parse_classic(theirs))
    assert parsed(parse_openmetrics(ours_open)) == parsed(parse_openmetrics(theirs_open))  # type: ignore[no-untyped-call]


def test_every_configured_tenant_has_every_family_from_the_first_scrape(store: Store) -> None:
    tenants = [tenant("one"), tenant("two", "Two")]
    store.register(["one", "two"], NOW)
    state = State(tuple(tenants), (), (), 0)
    for families in (
        parse_classic(scrape(store, state)),
        parse_openmetrics(scrape(store, state, OPENMETRICS)),  # type: ignore[no-untyped-call]
    ):
        found = {family.name: family for family in families}
        for family in STORED:
            if not family.from_start:
                continue
            metric = found[family.name.removesuffix("_total")]
            for name in ("one", "two"):
                samples = [each for each in metric.samples if each.labels["tenant"] == name]
                assert samples, f"{family.name} of {name}"
                expected = NOW if family is catalog.TENANT_CREATED else 0
                assert {each.value for each in samples} == {expected}, family.name
                for label in family.labels:
                    assert {each.labels[label.name] for each in samples} == set(label.initial), family.name
        assert {each.labels["tenant"] for each in found["billing_tenant_info"].samples} == {"one", "two"}


def test_families_come_in_the_order_of_the_catalogue_and_series_in_one_order(
    store: Store, tmp_path: Path
) -> None:
    state = State((tenant("b"), tenant("a")), (), (), 0)
    store.register(["b", "a"], NOW)
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    other.register(["a"], NOW)
    other.register(["b"], NOW)
    changes = [Add(catalog.REVENUE, (currency,), 5) for currency in ("usd", "eur", "jpy")]
    changes_reversed = list(reversed(changes))
    store.write(lambda tx: tx.change("a", (*changes, Observe(catalog.WEBHOOK_LAG, 40))))
    other.write(lambda tx: tx.change("a", (*changes_reversed, Observe(catalog.WEBHOOK_LAG, 40))))
    text = scrape(store, state)
    assert text == scrape(other, state) == scrape(store, state)
    other.close()
    named = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert named == [family.name for family in catalog.FAMILIES]
    bounds = [
        line.split('le="')[1].split('"')[0] for line in text.splitlines() if '_bucket{tenant="a"' in line
    ]
    assert bounds == [*(f"{bound:.1f}" for bound in catalog.LAG_BUCKETS_SECONDS), "+Inf"]
    currencies = [
        line.split('currency="')[1][:3] for line in text.splitlines() if line.startswith("billing_revenue")
    ]
    assert currencies == ["eur", "jpy", "oth", "usd", "oth"], "tenant by tenant, in the order of the text"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("*/*", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("text/plain", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("text/html,application/xhtml+xml,*/*;q=0.8", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", classic.CONTENT_TYPE_PLAIN_0_0_4),
        (OPENMETRICS, openmetrics.CONTENT_TYPE_LATEST),
        ("application/openmetrics-text", openmetrics.CONTENT_TYPE_LATEST),
        (PROMETHEUS_2, openmetrics.CONTENT_TYPE_LATEST),
        (PROMETHEUS_3, openmetrics.CONTENT_TYPE_LATEST),
        ('text/plain;version="1.0.0', classic.CONTENT_TYPE_PLAIN_0_0_4),
        ('application/openmetrics-text;version="1.0.0"', openmetrics.CONTENT_TYPE_LATEST),
        ('application/openmetrics-text;version="1.0.0', classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("application/openmetrics-text;version=0.0.1", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("application/openmetrics-text;q=0", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("application/openmetrics-text;q=0.1,text/plain", classic.CONTENT_TYPE_PLAIN_0_0_4),
        ("application/openmetrics-text;version=" + "9" * 5000, classic.CONTENT_TYPE_PLAIN_0_0_4),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(store: Store, accept: str, content_type: str) -> None:
    body, told = render(store, configured([]), HEALTH, accept)
    assert told == content_type
    assert body.endswith(b"# EOF\n") == content_type.startswith("application/openmetrics-text")


_ODD = st.lists(
    st.sampled_from(
        ("application/openmetrics-text", "text/plain", "*/*", ";", ",", "version=", "1.0.0", "1.", "x", "9" * 5000,
         "q=", "0.5", "escaping=", "allow-utf-8", "=", " ", '"', "\\", "\x00", "é", "-1.0.0", "1.0.0.0.0", "nan")
    )
    | st.text(max_size=8),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=bool(os.environ.get("CI")))
@given(_ODD, _ODD)
def test_odd_accept_headers_never_fail(accept: str, accept_encoding: str) -> None:
    body, content_type = render(_Empty(), configured([]), HEALTH, accept)  # type: ignore[arg-type]
    parse = parse_openmetrics if content_type.startswith("application/openmetrics-text") else parse_classic
    assert list(parse(body.decode()))
    packed, headers = compressed(body, accept_encoding)
    assert (gzip.decompress(packed) if "Content-Encoding" in headers else packed) == body


class _Empty:
    def families(self, _tenants: list[str]) -> list[tuple[int, bytes]]:
        return []


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, identity", False),
        ("br, zstd", False),
        ("*", True),
    ],
)
def test_the_text_is_gzipped_only_where_the_scraper_takes_it(accepted: str, packed: bool) -> None:
    body, headers = compressed(b"text\n" * 100, accepted)
    assert headers["Vary"] == "Accept, Accept-Encoding"
    assert headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(body) if packed else body) == b"text\n" * 100


def test_help_texts_are_escaped_as_each_format_wants(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    awkward = Family(1, "billing_awkward_total", "counter", 'A "quoted" \\ and\nbroken line.')
    monkeypatch.setattr(catalog, "FAMILIES", (awkward,))
    state = State((), (), (), 0)
    for text, parse in (
        (scrape(store, state), parse_classic),
        (scrape(store, state, OPENMETRICS), parse_openmetrics),
    ):
        assert [family.documentation for family in parse(text)] == [awkward.help]


def _promtool() -> str | None:
    beside = Path(__file__).parents[2] / ".tools" / "bin" / "promtool"
    return shutil.which("promtool") or (str(beside) if beside.exists() else None)


@pytest.mark.skipif(
    _promtool() is None, reason="promtool is neither on PATH nor in .tools/bin; see scripts/fetch-tools"
)
def test_promtool_finds_nothing_to_say(store: Store) -> None:
    store.register(["one"], NOW)
    text = scrape(store, State((tenant("one", 'a "name" \\'),), (), (), 0))
    command = [_promtool() or "", "check", "metrics"]
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=limit(60))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
