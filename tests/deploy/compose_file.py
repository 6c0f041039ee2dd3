"""The compose file as Docker Compose reads it, and what a container of it would see, laid out in a folder."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+):-([^}]*)\})")
"""`$$`, or a variable with a default: nothing else is used, so that `docker compose up` needs no variable."""


@dataclass(frozen=True)
class Mount:
    """What a container finds at `target`: a path of the host, or a volume."""

    source: str
    target: str
    is_bind: bool
    read_only: bool


def load(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with merges done and variables filled in."""

    def fill(match: re.Match[str]) -> str:
        return "$" if match[1] is None else environ.get(match[1]) or match[2]

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        if isinstance(node, str):
            assert not re.search(r"\$[^${]|\$\{\w+[^}:\w]", node.replace("$$", "")), node
            return _VARIABLE.sub(fill, node)
        return node

    read: dict[str, Any] = filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))
    return read


def mounts(service: dict[str, Any]) -> list[Mount]:
    """Return the service's mounts, however they are written."""
    found = []
    for one in service.get("volumes", []):
        if isinstance(one, str):
            source, target, *mode = one.split(":")
            found.append(Mount(source, target, source.startswith((".", "/")), mode == ["ro"]))
        else:
            found.append(
                Mount(one["source"], one["target"], one["type"] == "bind", one.get("read_only", False))
            )
    return found


def image_environment() -> dict[str, str]:
    """Return the last ENV of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return dict(pair.split("=", 1) for pair in shlex.split(re.findall(r"^ENV (.*)", text, re.MULTILINE)[-1]))


@dataclass(frozen=True)
class Container:
    """A service's mounts under `root`: binds are copied with their paths made local, volumes are shared."""

    root: Path
    targets: tuple[str, ...]

    @staticmethod
    def lay_out(service: dict[str, Any], root: Path, volumes: Path) -> Container:
        """Copy and link what the service mounts."""
        found = mounts(service)
        container = Container(root, tuple(one.target for one in found))
        for one in found:
            place = Path(f"{root}{one.target}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if one.is_bind:
                shutil.copytree(ROOT / one.source, place)
                for file in filter(Path.is_file, place.rglob("*")):
                    file.write_text(container.local(file.read_text()))
            else:
                (volumes / one.source).mkdir(exist_ok=True)
                place.symlink_to(volumes / one.source)
        return container

    def local(self, text: str) -> str:
        """Return the text with paths of the container turned into those of the folder."""
        if not self.targets:
            return text
        known = "|".join(map(re.escape, sorted(self.targets, key=len, reverse=True)))
        return re.sub(rf"(?<![\w./-])({known})(?=[/\s\"']|$)", rf"{self.root}\1", text, flags=re.MULTILINE)
