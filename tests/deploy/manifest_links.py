"""What manifests say of one another: selectors, ports, mounts and names, which no schema can check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from .manifests import Manifest, Manifests


def disagreements(manifests: Manifests) -> list[str]:
    """Return every place where one manifest names what another does not have."""
    checks = (_namespaces, _selectors, _services, _ingresses, _monitors, _probes, _policies, _volumes)
    return [text for check in checks for text in check(manifests)]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a label selector of matchLabels alone, or a Service's, hits something with these labels."""
    wanted = selector.get("matchLabels", selector)
    return bool(wanted) and wanted.items() <= labels.items()


def allowed_in(manifests: Manifests, namespace: str, labels: dict[str, str], port: str) -> bool:
    """Tell whether a pod elsewhere reaches a port of the exporter."""
    return any(
        port in {one["port"] for one in rule["ports"]}
        and any(
            selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
            and ("podSelector" not in peer or selects(peer["podSelector"], labels))
            for peer in rule["from"]
        )
        for policy in manifests.of("NetworkPolicy")
        for rule in policy["spec"].get("ingress", [])
    )


def allowed_out(manifests: Manifests) -> set[tuple[str, int]]:
    """Return where the exporter may connect to: (protocol, port)."""
    return {
        (one["protocol"], one["port"])
        for policy in manifests.of("NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for one in rule["ports"]
    }


def _pod_labels(manifests: Manifests) -> dict[str, str]:
    return dict(manifests.pod["metadata"]["labels"])


def _container_ports(manifests: Manifests) -> dict[str, int]:
    return {one["name"]: one["containerPort"] for one in manifests.container["ports"]}


def _namespaces(manifests: Manifests) -> Iterator[str]:
    name = manifests.one("Namespace")["metadata"]["name"]
    for one in manifests.all:
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != name:
            yield f"{one['kind']} {one['metadata']['name']} is not in the namespace {name}"


def _selectors(manifests: Manifests) -> Iterator[str]:
    labels = _pod_labels(manifests)
    deployment = manifests.one("Deployment")["spec"]
    found = [("Deployment", deployment["selector"])]
    found += [(one["kind"], one["spec"]["podSelector"]) for one in manifests.of("NetworkPolicy")]
    found += [(one["kind"], one["spec"]["selector"]) for one in manifests.of("PodDisruptionBudget")]
    found += [
        ("topologySpreadConstraints", one["labelSelector"])
        for one in deployment["template"]["spec"].get("topologySpreadConstraints", [])
    ]
    found += [("Service", one["spec"]["selector"]) for one in manifests.of("Service")]
    for kind, selector in found:
        if not selects(selector, labels):
            yield f"{kind}: its selector {selector} misses the exporter's pods"


def _services(manifests: Manifests) -> Iterator[str]:
    ports = _container_ports(manifests)
    for service in manifests.of("Service"):
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports:
                yield f"Service {service['metadata']['name']}: no container port is called {port['targetPort']}"


def _ingresses(manifests: Manifests) -> Iterator[str]:
    services = {one["metadata"]["name"]: one for one in manifests.of("Service")}
    for ingress in manifests.of("Ingress"):
        hosts = {host for one in ingress["spec"]["tls"] for host in one["hosts"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in hosts:
                yield f"Ingress: {rule['host']} has no certificate"
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = services.get(backend["name"], {"spec": {"ports": []}})
                target = {one["name"]: one["targetPort"] for one in service["spec"]["ports"]}
                if target.get(backend["port"]["name"]) != "webhooks":
                    yield f"Ingress: {backend} is not the port for webhooks"


def _monitors(manifests: Manifests) -> Iterator[str]:
    for monitor in manifests.of("ServiceMonitor"):
        hit = [
            one
            for one in manifests.of("Service")
            if selects(monitor["spec"]["selector"], one["metadata"].get("labels", {}))
        ]
        names = [one["metadata"]["name"] for one in hit]
        if names != ["billingwatch-metrics"]:
            yield f"ServiceMonitor: its selector hits {names}, not the Service for metrics alone"
        for endpoint in monitor["spec"]["endpoints"]:
            ports = {port["name"]: port["targetPort"] for one in hit for port in one["spec"]["ports"]}
            if ports.get(endpoint["port"]) != "metrics":
                yield f"ServiceMonitor: {endpoint['port']} is no port that leads to the metrics"
            for asked in endpoint.get("basicAuth", {}).values():
                named = [one for one in manifests.of("Secret") if one["metadata"]["name"] == asked["name"]]
                if not any(asked["key"] in one["data"] for one in named):
                    yield f"ServiceMonitor: no Secret {asked['name']} has {asked['key']}"


def _probes(manifests: Manifests) -> Iterator[str]:
    for name, probe in probes(manifests.container).items():
        port = probe.get("httpGet", {"port": "metrics"})["port"]
        if port != "metrics" or "metrics" not in _container_ports(manifests):
            yield f"{name}: {port} is not the port of the private listener"


def probes(container: Manifest) -> dict[str, Manifest]:
    """Return the container's probes by their names."""
    return {name: value for name, value in container.items() if name.endswith("Probe")}


def _policies(manifests: Manifests) -> Iterator[str]:
    ports = _container_ports(manifests)
    for policy in manifests.of("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            for one in rule["ports"]:
                if one["port"] not in ports:
                    yield f"NetworkPolicy: no container port is called {one['port']}"


def contents(manifests: Manifests, volume: Manifest) -> set[str] | None:
    """Return the files of a volume by what its ConfigMap or Secret holds; None where it begins empty."""
    if "configMap" in volume:
        kind, name = "ConfigMap", volume["configMap"]["name"]
    elif "secret" in volume:
        kind, name = "Secret", volume["secret"]["secretName"]
    else:
        return None
    return {key for one in manifests.of(kind) if one["metadata"]["name"] == name for key in one["data"]}


def _volumes(manifests: Manifests) -> Iterator[str]:
    container, spec = manifests.container, manifests.pod["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    if volumes.keys() != mounts.keys():
        yield f"volumes {sorted(volumes)} and volumeMounts {sorted(mounts)} differ"
    files: set[str] = set()
    for name, volume in volumes.items():
        held = contents(manifests, volume)
        if held == set():
            yield f"volume {name}: there is no such ConfigMap or Secret, or it is empty"
        files |= {f"{mounts[name]}/{key}" for key in held or () if name in mounts}
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in {one["metadata"]["name"] for one in manifests.of("PersistentVolumeClaim")}:
            yield f"volume {name}: there is no claim {claim}"
    for path in _named_files(manifests):
        if path not in files:
            yield f"{path} is named, but nothing mounted holds it"


def _named_files(manifests: Manifests) -> Iterator[str]:
    """Yield the files that the container's words or the values of its variables name."""
    container = manifests.container
    values = [*container["args"], *(one.get("value", "") for one in container.get("env", []))]
    for value in values:
        path = PurePosixPath(value.partition("=")[2] if value.startswith("--") else value)
        if path.is_absolute() and path.suffix:
            yield str(path)
