"""The manifests of deploy/kubernetes, built by kubectl as `kubectl apply -k` builds them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .compose_file import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
GENERATED_NAME = re.compile(r"-[a-z0-9]{10}$")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """Everything that one kustomization makes."""

    all: tuple[Manifest, ...]

    def of(self, kind: str) -> list[Manifest]:
        return [one for one in self.all if one["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Manifest:
        """Return the one of this kind and name; kustomize's hash at the end of a name does not count."""
        [found] = [
            one
            for one in self.of(kind)
            if not name or name in (one["metadata"]["name"], GENERATED_NAME.sub("", one["metadata"]["name"]))
        ]
        return found

    def pod_of(self, kind: str) -> Manifest:
        """Return the pod of the only Deployment or Job."""
        template: Manifest = self.one(kind)["spec"]["template"]
        return template

    @property
    def pod(self) -> Manifest:
        """The exporter's pod."""
        return self.pod_of("Deployment")

    @property
    def container(self) -> Manifest:
        return only_container(self.pod)


def only_container(pod: Manifest) -> Manifest:
    """Return the only container of a pod."""
    [found] = pod["spec"]["containers"]
    return dict(found)


def kubectl() -> str:
    """Return the program, of this environment or of PATH."""
    found = shutil.which("kubectl", path=Path(sys.executable).parent) or shutil.which("kubectl")
    if found is None:
        pytest.skip(
            "kubectl is neither in the environment (PyPI has it for Linux on x86_64 and aarch64) nor on PATH"
        )
    return found


def build(folder: Path) -> Manifests:
    """Build a kustomization."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return Manifests(tuple(yaml.safe_load_all(done.stdout)))


def on_postgres(folder: Path) -> Path:
    """Copy everything to `folder` and have the example take PostgreSQL, by the steps of docs/kubernetes.md."""
    example = _copied(folder)
    _change(example, r"- \.\./sqlite\b", "- ../postgres")
    _take_secret(example, "billingwatch-postgres")
    return example


def moving(folder: Path) -> Path:
    """The same, and have it move its store there first."""
    example = on_postgres(folder)
    _take_component(example, "move")
    return example


def with_password(folder: Path) -> Path:
    """Copy everything to `folder` and have the example's metrics ask for a password."""
    example = _copied(folder)
    _take_component(example, "password")
    _take_secret(example, "billingwatch-web")
    _take_secret(example, "billingwatch-scrape")
    return example


def _copied(folder: Path) -> Path:
    shutil.copytree(KUBERNETES, folder)
    return folder / "example"


def _take_component(example: Path, name: str) -> None:
    _change(example, r"(?m)^# components:$", "components:")
    _change(example, rf"(?m)^# (?=  - \.\./{name}\b)", "")


def _take_secret(example: Path, name: str) -> None:
    """Take the # away from a generator's first line, and from those below it."""
    _change(example, rf"(?m)^  # (- name: {name}\n)((?:  #   .*\n)+)", lambda found: _uncommented(found[0]))


def _uncommented(lines: str) -> str:
    return re.sub(r"(?m)^  # ", "  ", lines)


def _change(example: Path, pattern: str, to: str | Callable[[re.Match[str]], str]) -> None:
    file = example / "kustomization.yaml"
    text, changed = re.subn(pattern, to, file.read_text())
    assert changed == 1, pattern
    file.write_text(text)
