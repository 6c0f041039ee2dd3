"""docs/kubernetes.md says what the manifests do, and its commands are ones that kubectl understands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from bw_exporter.store import open_store
from bw_rules.cli import main as bw_rules
from reference import kubernetes_example

from .compose_file import ROOT
from .manifests import GENERATED_NAME, KUBERNETES, build, kubectl, moving, on_postgres, with_password

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
SHELL = "\n".join(re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)).replace("\\\n", " ")
LINES = [line.partition("#")[0].strip() for line in SHELL.splitlines()]
FOLDERS = {"dashboards": ROOT}


def kubectl_commands() -> list[list[str]]:
    """Each command without what the shell does to it."""
    found = [re.sub(r"\$\(|\)?; do$|^for \w+ in |^done$", "", line) for line in LINES if "kubectl " in line]
    return [shlex.split(re.sub(r" [<>] \S+$", "", line[line.index("kubectl ") :]))[1:] for line in found]


@pytest.mark.parametrize("arguments", kubectl_commands(), ids=" ".join)
def test_kubectl_understands_every_command_up_to_asking_the_cluster(
    arguments: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [kubectl(), "--server=http://127.0.0.1:1", *arguments],
        cwd=FOLDERS.get(arguments[-1], KUBERNETES / "example"),
        env={**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "refused" in done.stderr, done.stderr


def test_the_commands_name_what_the_manifests_make(tmp_path: Path) -> None:
    made = {
        f"{one['kind'].lower()}/{one['metadata']['name']}"
        for one in build(moving(tmp_path / "kubernetes")).all
    }
    named = set(re.findall(r"\b(?:deployment|service|secret|pod|job)/[\w-]+", SHELL))
    assert named
    assert named <= made
    assert set(re.findall(r"--namespace (\S+)", SHELL)) <= {"billingwatch", "monitoring"}


def test_the_page_names_every_folder_and_every_secret(tmp_path: Path) -> None:
    for folder in ("base", "sqlite", "postgres", "move", "password", "example", "example/alertmanager"):
        assert f"| `{folder}` |" in PAGE
        assert (KUBERNETES / folder / "kustomization.yaml").is_file()
    for example in (
        KUBERNETES / "example" / "alertmanager",
        on_postgres(tmp_path / "postgres"),
        with_password(tmp_path / "password"),
    ):
        for secret in build(example).of("Secret"):
            assert GENERATED_NAME.sub("", secret["metadata"]["name"]) in PAGE


def test_the_operator_is_told_of_the_secrets_by_their_names() -> None:
    [values] = [yaml.safe_load(text) for text in re.findall(r"(?ms)^```yaml\n(alertmanager:.*?)^```", PAGE)]
    spec = values["alertmanager"]["alertmanagerSpec"]
    made = {one["metadata"]["name"] for one in build(KUBERNETES / "example" / "alertmanager").of("Secret")}
    assert {spec["configSecret"], *spec["secrets"]} == made


def test_the_rendering_commands_of_the_page_make_what_is_shipped(tmp_path: Path) -> None:
    made = {}
    for line in LINES:
        if line.startswith("bw-rules "):
            *given, output = line.split()[1:]
            assert given[-1] == "--output"
            given[given.index("--config.file") + 1] = str(KUBERNETES / "example" / "tenants.yaml")
            assert bw_rules([*given, str(tmp_path / Path(output).name)]) == 0
            made[output] = (tmp_path / Path(output).name).read_text()
    shipped = kubernetes_example.files(ROOT)
    assert made == {
        path.relative_to(KUBERNETES / "example").as_posix(): text for path, text in shipped.items()
    }


def test_the_backup_of_the_page_is_a_whole_store(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    serving = open_store(f"sqlite:///{tmp_path}/data/billingwatch.db")
    serving.register(["shop"], int(time.time()))
    [line] = [shlex.split(one)[-1] for one in LINES if " python -c " in one]
    subprocess.run([sys.executable, "-c", line.replace("/data/", f"{tmp_path}/data/")], check=True)
    serving.register(["later"], int(time.time()))
    serving.close()
    backup = open_store(f"sqlite:///{tmp_path}/data/backup.db")
    try:
        backup.probe(int(time.time()))
        assert backup.samples("shop")
        assert not backup.samples("later")
    finally:
        backup.close()


def test_the_dashboards_are_config_maps_that_can_be_applied() -> None:
    made = build(ROOT / "dashboards").of("ConfigMap")
    shipped = {path.name: path.read_text() for path in (ROOT / "dashboards" / "json").glob("*.json")}
    assert {name: text for one in made for name, text in one["data"].items()} == shipped
    for one in made:
        assert one["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert len(yaml.safe_dump(one)) < 262_144, (
            "kubectl keeps a copy in an annotation of at most so many bytes"
        )
