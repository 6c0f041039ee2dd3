from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml

from bw_exporter.cli import program
from bw_exporter.command_line import options
from bw_exporter.serving.options import ServeOptions
from reference import kubernetes_example

from .checkers import tool
from .compose_file import image_environment
from .manifest_links import allowed_in, allowed_out
from .manifests import KUBERNETES, Manifests, build, moving, on_postgres, only_container, with_password
from .public_schemas import mistakes

OLDEST, NEWEST = "1.29", "1.37"
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}


@pytest.fixture(scope="module")
def example() -> Manifests:
    return build(KUBERNETES / "example")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return build(on_postgres(tmp_path_factory.mktemp("postgres") / "kubernetes"))


@pytest.fixture(scope="module")
def alertmanager() -> Manifests:
    return build(KUBERNETES / "example" / "alertmanager")


@pytest.fixture(scope="module")
def on_the_move(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return build(moving(tmp_path_factory.mktemp("moving") / "kubernetes"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return build(with_password(tmp_path_factory.mktemp("password") / "kubernetes"))


@pytest.fixture(params=["example", "postgres"])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    found: Manifests = request.getfixturevalue(request.param)
    return found


def words(manifests: Manifests) -> Any:
    """The container's words, read by the exporter's own commands, with the container's environment."""
    name, *args = manifests.container["args"]
    environ = {one["name"]: one["value"] for one in manifests.container["env"]}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (image_environment() | environ).items():
            patch.setenv(variable, value)
        command = program.get_command(click.Context(program), name)
        assert command is not None
        return SimpleNamespace(**command.make_context(name, args).params)


# Each by its own checker


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_has_the_shape_that_kubernetes_and_the_operator_publish(
    example: Manifests,
    postgres: Manifests,
    on_the_move: Manifests,
    guarded: Manifests,
    alertmanager: Manifests,
    version: str,
) -> None:
    for one in (*example.all, *postgres.all, *on_the_move.of("Job"), *guarded.all, *alertmanager.all):
        assert mistakes(one, version) == "", f"{one['kind']} {one['metadata']['name']}"


@pytest.mark.parametrize("kind", ["Deployment", "ServiceMonitor"])
def test_an_unknown_field_would_be_noticed(example: Manifests, kind: str) -> None:
    spec = example.one(kind)["spec"]
    assert mistakes({**example.one(kind), "spec": {**spec, "selectr": {}}}, NEWEST)


def test_prometheus_accepts_the_rules(example: Manifests, tmp_path: Path) -> None:
    file = tmp_path / "billing.rules.yml"
    file.write_text(yaml.safe_dump(example.one("PrometheusRule")["spec"]))
    done = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint-fatal", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"SUCCESS: [1-9]\d+ rules found", done.stdout), done.stdout + done.stderr


def test_alertmanager_accepts_the_routing(alertmanager: Manifests, tmp_path: Path) -> None:
    held = alertmanager.one("Secret", "billingwatch-alertmanager")["data"]["alertmanager.yaml"]
    (tmp_path / "alertmanager.yaml").write_bytes(base64.b64decode(held))
    alert = ["tenant=shop", "alertname=BillingFraudSpike", "severity=critical", "detector=fraud_spike"]
    command = [
        tool("amtool"),
        "config",
        "routes",
        "test",
        f"--config.file={tmp_path}/alertmanager.yaml",
        *alert,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:1] == ["slack-billing"], done.stderr


def test_the_rules_and_the_routing_are_current() -> None:
    for path, text in kubernetes_example.files(KUBERNETES.parents[1]).items():
        assert path.read_text() == text, "run make generate"


# What has to agree


def test_the_container_listens_where_its_ports_say(manifests: Manifests) -> None:
    given = words(manifests)
    ports = {one["name"]: one["containerPort"] for one in manifests.container["ports"]}
    assert ports == {"webhooks": given.web_webhook_address[1], "metrics": given.web_metrics_address[1]}
    for address in (given.web_webhook_address, given.web_metrics_address):
        assert address[0] == options.address(":0")[0], (
            "kubelet, Prometheus and port-forward use different addresses"
        )


def test_the_number_of_workers_does_not_follow_the_nodes_cores(manifests: Manifests) -> None:
    assert any(word.startswith("--web.workers=") for word in manifests.container["args"])


def test_what_was_accepted_is_answered_before_the_pod_is_killed(manifests: Manifests) -> None:
    sleep = manifests.container.get("lifecycle", {}).get("preStop", {"exec": {"command": ["sleep", "0"]}})
    drain = int(sleep["exec"]["command"][1]) + ServeOptions.graceful_timeout
    assert manifests.pod["spec"]["terminationGracePeriodSeconds"] >= drain + 5


def test_sqlite_is_never_opened_by_two_pods(example: Manifests) -> None:
    deployment = example.one("Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert example.one("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert words(example).storage_url == image_environment()["BW_STORAGE_URL"]


def test_postgres_lets_replicas_change_without_a_gap(postgres: Manifests) -> None:
    deployment = postgres.one("Deployment")["spec"]
    assert deployment["replicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert postgres.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert not postgres.of("PersistentVolumeClaim")


def test_the_store_is_moved_by_a_job_while_no_exporter_runs(
    example: Manifests, on_the_move: Manifests
) -> None:
    assert on_the_move.one("Deployment")["spec"]["replicas"] == 0
    job = on_the_move.pod_of("Job")
    assert job["metadata"]["labels"].items().isdisjoint(on_the_move.pod["metadata"]["labels"].items())
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in job["spec"]["volumes"]
        if "persistentVolumeClaim" in one
    ]
    assert claims == [example.one("PersistentVolumeClaim")["metadata"]["name"]]
    secrets = {json.dumps(one["secret"]) for one in job["spec"]["volumes"] if "secret" in one}
    assert secrets <= {
        json.dumps(one["secret"]) for one in on_the_move.pod["spec"]["volumes"] if "secret" in one
    }
    image = only_container(job)["image"]
    assert image == on_the_move.container["image"]


def test_a_job_that_moves_is_as_confined_as_the_exporter(on_the_move: Manifests) -> None:
    exporter, job = on_the_move.pod["spec"], on_the_move.pod_of("Job")["spec"]
    for key in ("securityContext", "automountServiceAccountToken", "enableServiceLinks"):
        assert job[key] == exporter[key]
    assert (
        only_container(on_the_move.pod_of("Job"))["securityContext"]
        == on_the_move.container["securityContext"]
    )


# What keeps it safe


def test_the_pod_meets_the_restricted_pod_security_standard(manifests: Manifests) -> None:
    assert (
        manifests.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )
    spec, own = manifests.pod["spec"], manifests.container["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    kinds = {key for volume in spec["volumes"] for key in volume} - {"name"}
    assert kinds <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


def test_the_pod_is_the_images_user_who_can_read_its_secrets(manifests: Manifests) -> None:
    context = manifests.pod["spec"]["securityContext"]
    dockerfile = (KUBERNETES.parents[1] / "Dockerfile").read_text()
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["fsGroup"] == context["runAsGroup"]
    modes = {one["secret"]["defaultMode"] for one in manifests.pod["spec"]["volumes"] if "secret" in one}
    assert modes == {0o440}


def test_prometheus_alone_reaches_the_metrics_and_the_ingress_alone_the_webhooks(
    manifests: Manifests,
) -> None:
    assert allowed_in(manifests, "monitoring", PROMETHEUS, "metrics")
    assert allowed_in(manifests, "ingress-nginx", {}, "webhooks")
    assert not allowed_in(manifests, "monitoring", {"app.kubernetes.io/name": "grafana"}, "metrics")
    assert not allowed_in(manifests, "monitoring", PROMETHEUS, "webhooks")
    assert not allowed_in(manifests, "ingress-nginx", {}, "metrics")
    assert not allowed_in(manifests, "billingwatch", PROMETHEUS, "metrics")
    assert any(
        set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} for one in manifests.of("NetworkPolicy")
    )


def test_the_exporter_reaches_nothing_but_its_database(example: Manifests, postgres: Manifests) -> None:
    assert allowed_out(example) == set()
    assert allowed_out(postgres) == {("UDP", 53), ("TCP", 53), ("TCP", 5432)}


def test_no_secret_is_in_the_environment_or_the_words(manifests: Manifests) -> None:
    secrets = [
        base64.b64decode(text).decode().strip()
        for one in manifests.of("Secret")
        for text in one["data"].values()
    ]
    shown = json.dumps([one for one in manifests.all if one["kind"] != "Secret"])
    assert len(secrets) >= 2
    assert not [one for one in secrets if one in shown]
    assert "secretKeyRef" not in shown


def test_secrets_of_the_example_are_plainly_made_up(
    alertmanager: Manifests, postgres: Manifests, guarded: Manifests
) -> None:
    held = [
        *postgres.of("Secret"),
        *guarded.of("Secret"),
        alertmanager.one("Secret", "billingwatch-receivers"),
    ]
    for secret in held:
        for name, text in secret["data"].items():
            assert name == "username" or re.search(
                r"made.up|placeholder|\bput\b", base64.b64decode(text).decode(), re.IGNORECASE
            ), name


def test_names_that_others_ask_for_have_no_hash_at_their_end(alertmanager: Manifests) -> None:
    names = [one["metadata"]["name"] for one in alertmanager.of("Secret")]
    assert sorted(names) == ["billingwatch-alertmanager", "billingwatch-receivers"]
    config = base64.b64decode(alertmanager.one("Secret", names[0])["data"]["alertmanager.yaml"]).decode()
    files = re.findall(r"_file: (/\S+)", config)
    held = alertmanager.one("Secret", "billingwatch-receivers")["data"]
    assert files
    assert set(files) == {f"/etc/alertmanager/secrets/billingwatch-receivers/{name}" for name in held}


def test_a_change_of_tenants_or_secrets_replaces_the_pods(tmp_path: Path) -> None:
    folder = on_postgres(tmp_path / "kubernetes")
    before = build(folder).pod
    secret = folder / "secrets" / "stripe" / "shop_whsec"
    secret.write_text("whsec_another_made_up_one\n")
    rotated = build(folder).pod
    (folder / "tenants.yaml").write_text((folder / "tenants.yaml").read_text() + "# and more\n")
    assert before != rotated != build(folder).pod


def test_the_image_is_one_that_the_user_has_to_name(manifests: Manifests) -> None:
    image = manifests.container["image"]
    version = re.search(
        r'^version = "(.+)"', (KUBERNETES.parents[1] / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert version
    assert image == f"registry.example.com/billingwatch-exporter:{version[1]}"
