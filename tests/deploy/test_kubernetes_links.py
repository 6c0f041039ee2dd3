from __future__ import annotations

import copy

import pytest

from .manifest_links import disagreements
from .manifests import KUBERNETES, Manifests, build, on_postgres, with_password


@pytest.fixture(scope="module")
def example() -> Manifests:
    return build(KUBERNETES / "example")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return build(on_postgres(tmp_path_factory.mktemp("postgres") / "kubernetes"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return build(with_password(tmp_path_factory.mktemp("password") / "kubernetes"))


def test_every_name_selector_port_and_path_is_met(
    example: Manifests, postgres: Manifests, guarded: Manifests
) -> None:
    assert disagreements(example) == []
    assert disagreements(postgres) == []
    assert disagreements(guarded) == []


CONTAINER = "spec.template.spec.containers.0"
MUTANTS = [
    (
        "Service billingwatch-metrics spec.ports.0.targetPort",
        "metricz",
        "no container port is called metricz",
    ),
    ("Service billingwatch-webhooks spec.selector", {"app": "x"}, "misses the exporter's pods"),
    (
        "Service billingwatch-webhooks metadata.labels.app\\.kubernetes\\.io/component",
        "metrics",
        "ServiceMonitor: its selector",
    ),
    ("Service billingwatch-metrics metadata.namespace", "default", "not in the namespace billingwatch"),
    ("ServiceMonitor billingwatch spec.endpoints.0.port", "http", "http is no port"),
    (
        "ServiceMonitor billingwatch spec.selector.matchLabels",
        {"app": "x"},
        "ServiceMonitor: its selector hits []",
    ),
    ("Deployment billingwatch spec.selector.matchLabels", {"app": "x"}, "Deployment: its selector"),
    (f"Deployment billingwatch {CONTAINER}.ports.1.name", "metricz", "no container port is called metrics"),
    (
        f"Deployment billingwatch {CONTAINER}.readinessProbe.httpGet.port",
        "webhooks",
        "not the port of the private",
    ),
    (
        f"Deployment billingwatch {CONTAINER}.args.1",
        "--config.file=/etc/tenants.yaml",
        "/etc/tenants.yaml is named",
    ),
    (
        f"Deployment billingwatch {CONTAINER}.env.1.value",
        "/run/secrets/pg.conf",
        "/run/secrets/pg.conf is named",
    ),
    (f"Deployment billingwatch {CONTAINER}.volumeMounts.0.name", "store", "and volumeMounts"),
    (
        "Deployment billingwatch spec.template.spec.topologySpreadConstraints.0.labelSelector",
        {"a": "b"},
        "topologySpread",
    ),
    (
        "Ingress billingwatch spec.rules.0.http.paths.0.backend.service.name",
        "billingwatch-metrics",
        "not the port for",
    ),
    (
        "Ingress billingwatch spec.rules.0.http.paths.0.backend.service.port.name",
        "http",
        "not the port for webhooks",
    ),
    ("Ingress billingwatch spec.rules.0.host", "elsewhere.example.com", "has no certificate"),
    (
        "NetworkPolicy billingwatch-access spec.ingress.0.ports.0.port",
        "http",
        "NetworkPolicy: no container port",
    ),
    (
        "NetworkPolicy billingwatch spec.podSelector",
        {"matchLabels": {"app": "x"}},
        "NetworkPolicy: its selector",
    ),
    (
        "PodDisruptionBudget billingwatch spec.selector.matchLabels",
        {"app": "x"},
        "PodDisruptionBudget: its selector",
    ),
    ("ConfigMap billingwatch-tenants metadata.name", "tenants", "there is no such ConfigMap"),
    ("Secret billingwatch-postgres data", {"ca.crt": ""}, "/run/secrets/postgres/pg_service.conf is named"),
]


@pytest.mark.parametrize(
    ("where", "value", "said"), MUTANTS, ids=[one[0].split()[0] + one[2] for one in MUTANTS]
)
def test_a_mistake_is_told(postgres: Manifests, where: str, value: object, said: str) -> None:
    found = disagreements(mutated(postgres, where, value))
    assert any(said in text for text in found), found


def test_a_claim_that_is_not_there_is_told(example: Manifests) -> None:
    found = disagreements(mutated(example, "PersistentVolumeClaim billingwatch-store metadata.name", "store"))
    assert found == ["volume store: there is no claim billingwatch-store"]


def test_a_password_that_no_secret_holds_is_told(guarded: Manifests) -> None:
    where = "ServiceMonitor billingwatch spec.endpoints.0.basicAuth.password.key"
    assert disagreements(mutated(guarded, where, "pass")) == [
        "ServiceMonitor: no Secret billingwatch-scrape has pass"
    ]


def mutated(manifests: Manifests, where: str, value: object) -> Manifests:
    """Return a copy with one place changed: kind, name and the path in it."""
    kind, name, path = where.split()
    copied = Manifests(copy.deepcopy(manifests.all))
    place: object = copied.one(kind, name)
    *keys, last = [key.replace("\0", ".") for key in path.replace("\\.", "\0").split(".")]
    for key in keys:
        place = place[int(key)] if isinstance(place, list) else place[key]  # type: ignore[index]
    place[int(last) if isinstance(place, list) else last] = value  # type: ignore[index]
    return copied
