"""Writes what is made from code: the shipped example's rules and routing, runbooks, references of settings and alerts.

`python -m reference.rules_files` in a checkout; with `--check` it writes nothing and exits 1 if something is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bw_exporter.config import tenants
from bw_rules import cli
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build, runbooks
from bw_rules.render import alertmanager, prometheus
from reference import alerts, flags, kubernetes_example, marks, settings, upgrading

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "rules/tenants.example.yaml"
MAKER = "reference.rules_files"


def generated(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of every generated file, by its path."""
    example = tenants.load(str(root / EXAMPLE), detectors=THRESHOLDS, read_secrets=False)
    routing = alertmanager.routing(example, (0, 25))
    defaults = {name: model(enabled=True) for name, model in THRESHOLDS.items()}
    plain = tenants.Tenants((), {}, EXAMPLE, default_detectors=defaults)
    before = root / upgrading.INSTALLATION / "tenants.yaml"
    upgraded = tenants.load(str(before), detectors=THRESHOLDS, read_secrets=False)
    parts = {
        "configuration.md": {"keys": settings.keys_tables(), "thresholds": settings.thresholds_tables()},
        "alerts.md": alerts.sections(plain, routing.inhibit_rules),
        "upgrading.md": upgrading.parts(
            root, prometheus.render(build.groups(upgraded, build.Settings()), before.name)
        ),
        "command-line.md": {"bw-rules": "\n".join(flags.sections(cli.program).values())},
    }
    return {
        root / "rules" / "billing.rules.yml": prometheus.render(
            build.groups(example, build.Settings()), EXAMPLE
        ),
        root / "rules" / "alertmanager.example.yml": alertmanager.render(routing, EXAMPLE),
        **{root / "docs" / name: _page(root / "docs" / name, texts) for name, texts in parts.items()},
        **{root / "docs" / "runbooks" / name: text for name, text in runbooks.pages().items()},
        **kubernetes_example.files(root),
    }


def _page(path: Path, parts: dict[str, str]) -> str:
    page = path.read_text(encoding="utf-8")
    for name, text in parts.items():
        page = marks.between(page, MAKER, name, text)
    return page


def stale(root: Path = ROOT) -> list[Path]:
    """Return the generated files that are not what they would be now."""
    return [
        path
        for path, text in generated(root).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the files, or with --check only compare."""
    old = stale()
    names = [str(path.relative_to(ROOT)) for path in old]
    if "--check" in sys.argv[1:]:
        for name in names:
            sys.stderr.write(f"{name} is stale; run make generate\n")
        return 1 if names else 0
    texts = generated()
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    sys.stdout.writelines(f"wrote {name}\n" for name in names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
