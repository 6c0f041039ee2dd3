"""Writes what is made from code: the shipped example's rules and routing, runbooks, the configuration reference.

`python -m bw_rules.generate` in a checkout; with `--check` it writes nothing and exits 1 if something is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bw_exporter import tenants
from bw_rules import build, reference, runbooks
from bw_rules.detectors import THRESHOLDS
from bw_rules.render import alertmanager, prometheus

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "rules/tenants.example.yaml"
BEGIN, END = "<!-- made by bw_rules.generate: {name} -->", "<!-- end: {name} -->"


def generated(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of every generated file, by its path."""
    example = tenants.load(str(root / EXAMPLE), detectors=THRESHOLDS, read_secrets=False)
    routing = alertmanager.routing(example, (0, 25))
    reference_page = root / "docs" / "configuration.md"
    page = reference_page.read_text(encoding="utf-8")
    for name, text in (("keys", reference.keys_tables()), ("thresholds", reference.thresholds_tables())):
        page = between(page, name, text)
    return {
        root / "rules" / "billing.rules.yml": prometheus.render(
            build.groups(example, build.Settings()), EXAMPLE
        ),
        root / "rules" / "alertmanager.example.yml": alertmanager.render(routing, EXAMPLE),
        reference_page: page,
        **{root / "docs" / "runbooks" / name: text for name, text in runbooks.pages().items()},
    }


def between(page: str, name: str, text: str) -> str:
    """Return the page with what stands between the marks of `name` replaced."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{text}\n{end}{tail}"


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
