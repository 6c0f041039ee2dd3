"""The pod's words and files, run for real: what the kubelet asks, and what Prometheus makes of the ServiceMonitor."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest
import yaml

from bw_exporter.metrics import catalog
from bw_rules.groups import build as rules

from .checkers import tool
from .manifest_links import probes
from .manifests import KUBERNETES, Manifests, build, with_password
from .pod_files import PATIENCE_SECONDS, Pod, status

POD = "billingwatch-7d9c5b8f6d-x2x4z"


@pytest.fixture(scope="module")
def example() -> Manifests:
    return build(KUBERNETES / "example")


@pytest.fixture(scope="module")
def private(example: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the private listener of an exporter that runs as the pod's does."""
    with Pod.lay_out(example, tmp_path_factory.mktemp("pod") / "root").running() as (_, url):
        yield url


def test_the_exporter_starts_with_the_pods_words_and_files_and_answers_its_probes(
    example: Manifests, private: str
) -> None:
    asked = probes(example.container)
    assert asked.keys() == {"startupProbe", "livenessProbe", "readinessProbe"}
    for name, probe in asked.items():
        assert status(f"{private}{probe['httpGet']['path']}") == 200, name


def test_prometheus_scrapes_the_pod_under_the_job_that_the_rules_ask_for_and_leaves_its_tenants(
    example: Manifests, private: str, tmp_path: Path
) -> None:
    [endpoint] = example.one("ServiceMonitor")["spec"]["endpoints"]
    job = as_the_operator_makes_it(endpoint, urllib.parse.urlsplit(private).netloc)
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        tool("prometheus"),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]
    with (tmp_path / "log").open("wb") as log:
        prometheus = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        up = eventually(address, "up == 1")
        series = eventually(address, 'billing_webhook_lag_seconds_count{tenant="shop"}')
    finally:
        prometheus.terminate()
        prometheus.wait(PATIENCE_SECONDS)
    [target] = [one["metric"] for one in up]
    assert (target["job"], target["instance"]) == (rules.Settings().job, POD)
    [found] = [one["metric"] for one in series]
    assert "exported_tenant" not in found
    exposed = {label for family in catalog.FAMILIES for label in family.label_names}
    assert exposed & target.keys() <= {"tenant"}, "with honorLabels the exporter would overwrite these"


def test_with_a_password_prometheus_gets_in_strangers_do_not_and_the_kubelet_sees_a_sign_of_life(
    tmp_path: Path,
) -> None:
    manifests = build(with_password(tmp_path / "kubernetes"))
    given = manifests.one("ServiceMonitor")["spec"]["endpoints"][0]["basicAuth"]
    name, password = (
        base64.b64decode(manifests.one("Secret", given[part]["name"])["data"][given[part]["key"]])
        for part in ("username", "password")
    )
    with Pod.lay_out(manifests, tmp_path / "pod").running() as (_, url):
        assert status(f"{url}/metrics") == 401
        asked = urllib.request.Request(f"{url}/metrics")
        asked.add_header("Authorization", f"Basic {base64.b64encode(name + b':' + password).decode()}")
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200
        environ = {**os.environ, "BW_WEB_METRICS_ADDRESS": urllib.parse.urlsplit(url).netloc}
        checks = [probe["exec"]["command"] for probe in probes(manifests.container).values()]
        assert checks == [["python", "-m", "bw_exporter.healthcheck"]] * 3
        assert subprocess.run([sys.executable, *checks[0][1:]], env=environ, check=False).returncode == 0


def as_the_operator_makes_it(endpoint: dict[str, Any], target: str) -> dict[str, Any]:
    """Return a scrape configuration with the operator's own labels first, and those of the endpoint after them.

    The label `tenant` is of a Prometheus that several teams share.
    """
    snake = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    own = [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "job"},
        {"target_label": "endpoint", "replacement": endpoint["port"]},
        {"target_label": "tenant", "replacement": "a-team"},
    ]
    discovered = {
        "__meta_kubernetes_namespace": "billingwatch",
        "__meta_kubernetes_service_name": "billingwatch-metrics",
        "__meta_kubernetes_pod_name": POD,
    }
    asked = [{snake.get(key, key): value for key, value in one.items()} for one in endpoint["relabelings"]]
    return {
        "job_name": "serviceMonitor/billingwatch/billingwatch/0",
        "honor_labels": endpoint["honorLabels"],
        "static_configs": [{"targets": [target], "labels": discovered}],
        "relabel_configs": [*own, *asked],
    }


def eventually(address: str, query: str) -> list[dict[str, Any]]:
    """Ask Prometheus until it has an answer."""
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                if found := json.load(answer)["data"]["result"]:
                    return list(found)
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{query} has no answer")
