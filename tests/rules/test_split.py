from __future__ import annotations

import json
from pathlib import Path

import pytest

from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenants
from bw_rules.cli import main
from bw_rules.detectors import THRESHOLDS
from bw_rules.split import shard_of
from bw_rules.verify import tools

TEXT = """
defaults: &d
  notify: [slack]
  detectors: {webhook_lag: {max_lag: 60s}}   # a comment
receivers:
  slack: {slack: {api_url_file: /x}}
watchdog: {notify: [slack]}
tenants:
  tenant-a: {webhook_secret_file: a.secret, labels: &own {team: "no", code: "017"}}
  tenant-b: {webhook_secret_file: b.secret, labels: *own, path_token: 0123456789abcdef}
  tenant-c: {webhook_secret_file: c.secret}
  tenant-d: {webhook_secret_file: d.secret, detectors: {fraud_spike: {sensitivity: fixed, multiplier: 1.50}}}
"""


def loaded(path: Path) -> Tenants:
    return tenants.load(str(path), detectors=THRESHOLDS, read_secrets=False)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    file = tmp_path / "tenants.yaml"
    file.write_text(TEXT)
    return file


def test_each_tenant_is_in_one_shard_as_it_was_in_the_whole(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", "--config.file", str(whole), "--shards", "2"]) == 0
    said = capsys.readouterr().out
    found = {}
    for number in range(2):
        path = tmp_path / f"tenants.{number}-of-2.yaml"
        shard = loaded(path)
        assert f"{path}: {len(shard.all)} tenants" in said
        assert all(shard_of(one.id, 2) == number for one in shard.all)
        assert shard.receivers == loaded(whole).receivers
        assert shard.watchdog == loaded(whole).watchdog
        assert shard.default_detectors == loaded(whole).default_detectors
        found |= shard.by_id
    assert found == loaded(whole).by_id


@pytest.mark.parametrize(
    "text",
    [
        # Tenants that come by a merge into `tenants:`, and all of `tenants:` by one into the whole file.
        "defaults: {labels: &own {team: x}}\n"
        "tenants:\n"
        "  <<: {tenant-a: &shop {webhook_secret_file: a.secret, labels: *own}, tenant-b: {<<: *shop, mode: test}}\n"
        "  tenant-b: {<<: *shop, name: Bee}\n"
        "  tenant-c: {<<: [*shop, {name: See}]}\n"
        "  tenant-d: {webhook_secret_file: d.secret}\n",
        "<<: {tenants: {tenant-a: &shop {webhook_secret_file: a.secret}, tenant-b: {<<: *shop, mode: test},\n"
        "  tenant-c: *shop, tenant-d: *shop}}\n",
    ],
)
def test_a_tenant_that_comes_by_a_merge_is_in_its_shard_too(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(text)
    assert main(["split", "--config.file", str(file), "--shards", "2"]) == 0
    found = {}
    for number in range(2):
        shard = loaded(tmp_path / f"tenants.{number}-of-2.yaml")
        assert all(shard_of(one.id, 2) == number for one in shard.all)
        found |= shard.by_id
    assert found == loaded(file).by_id
    lines = (tmp_path / "tenants.webhooks-of-2.map").read_text().splitlines()
    assert lines == [f"/webhooks/{name} {shard_of(name, 2)}" for name in sorted(found)]


def test_the_proxys_map_tells_the_shard_of_each_webhook(whole: Path, tmp_path: Path) -> None:
    assert main(["split", "--config.file", str(whole), "--shards", "2"]) == 0
    lines = (tmp_path / "tenants.webhooks-of-2.map").read_text().splitlines()
    assert f"/webhooks/0123456789abcdef {shard_of('tenant-b', 2)}" in lines
    assert f"/webhooks/tenant-a {shard_of('tenant-a', 2)}" in lines
    assert len(lines) == 4


def test_twice_as_many_shards_cut_each_in_two() -> None:
    for number in range(1000):
        assert shard_of(f"tenant-{number}", 8) % 4 == shard_of(f"tenant-{number}", 4)


@pytest.mark.parametrize("number", ["1", "0", "-2", "two", "1001"])
def test_a_number_of_shards_that_makes_no_sense_is_refused(
    whole: Path, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", "--config.file", str(whole), f"--shards={number}"]) == 2
    assert "2 to 1000" in capsys.readouterr().err


def test_a_shard_without_a_tenant_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", "--config.file", str(whole), "--shards", "50"]) == 1
    assert "would have no tenant; give fewer --shards" in capsys.readouterr().err


def test_a_prometheus_that_keeps_a_shard_by_hashmod_keeps_the_same_tenants(
    promtool: str, tmp_path: Path
) -> None:
    ids = [f"t{number}" for number in range(60)]
    (tmp_path / "targets.json").write_text(
        json.dumps([{"targets": ["127.0.0.1:1"], "labels": {"tenant": name}} for name in ids])
    )
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs:\n- job_name: x\n"
        "  file_sd_configs: [{files: [targets.json]}]\n"
        "  relabel_configs:\n"
        "  - {source_labels: [tenant], modulus: 3, target_label: __tmp_shard, action: hashmod}\n"
        '  - {source_labels: [__tmp_shard], regex: "1", action: keep}\n'
    )
    asked = ("check", "service-discovery", "--timeout=3s", "prometheus.yml", "x")
    code, said = tools.run(promtool, *asked, folder=tmp_path)
    assert code == 0, said
    found, _ = json.JSONDecoder().raw_decode(said)
    kept = {one["labels"]["tenant"] for one in found if one.get("labels")}
    assert kept == {name for name in ids if shard_of(name, 3) == 1}
