"""The exporter's pod as its process sees it: files laid out in a folder, words and variables made local, and run."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.patience import limit

from .compose_file import Container
from .manifests import Manifests, only_container

PATIENCE_SECONDS = limit(30)


@dataclass(frozen=True)
class Pod:
    """Where the mounts are on this machine, and what the container is started with."""

    container: Container
    args: tuple[str, ...]
    environment: dict[str, str]

    @staticmethod
    def lay_out(manifests: Manifests, root: Path, kind: str = "Deployment") -> Pod:
        """Write what ConfigMaps and Secrets hold to where it is mounted; other volumes are empty folders."""
        pod = manifests.pod_of(kind)
        given = only_container(pod)
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        container = Container(root, tuple(one["mountPath"] for one in given["volumeMounts"]))

        def local(text: str) -> str:
            return container.local(text).replace("sqlite:////", f"sqlite:///{root}/")

        for mount in given["volumeMounts"]:
            folder = Path(f"{root}{mount['mountPath']}")
            folder.mkdir(parents=True)
            for name, text in _files(manifests, volumes[mount["name"]]).items():
                (folder / name).write_text(container.local(text))
        return Pod(
            container,
            tuple(re.sub(r"(?<=-address=):\d+$", "127.0.0.1:0", local(word)) for word in given["args"]),
            {one["name"]: local(one["value"]) for one in given["env"]},
        )

    def path(self, inside: str) -> Path:
        return Path(self.container.local(inside))

    def run(self) -> str:
        """Run the container's words until they are done; return what they said."""
        done = subprocess.run(
            [sys.executable, "-m", "bw_exporter", *self.args],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self) -> Iterator[tuple[str, str]]:
        """Run the container's words; give the URLs of the public and the private listener. It ends by SIGTERM."""
        log_file = self.container.root / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bw_exporter", *self.args],
                stderr=log,
                env={**os.environ, **self.environment},
            )
        try:
            yield _addresses(process, log_file)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0, log_file.read_text()
        finally:
            process.kill()
            process.wait()


def status(url: str) -> int:
    """Return what a GET is answered."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _files(manifests: Manifests, volume: dict[str, dict[str, str]]) -> dict[str, str]:
    if "configMap" in volume:
        return dict(manifests.one("ConfigMap", volume["configMap"]["name"])["data"])
    if "secret" in volume:
        held = manifests.one("Secret", volume["secret"]["secretName"])["data"]
        return {name: base64.b64decode(text).decode() for name, text in held.items()}
    return {}


def _addresses(process: subprocess.Popen[bytes], log_file: Path) -> tuple[str, str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        *lines, _ = log_file.read_text().split("\n")
        for entry in map(json.loads, lines):
            if entry["msg"] == "serving":
                return entry["webhooks"], entry["metrics"]
        assert process.poll() is None, log_file.read_text()
        time.sleep(0.05)
    raise AssertionError(log_file.read_text())
